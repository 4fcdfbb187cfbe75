// The recordings' REST calls, as the session's own page makes them.

function csrfToken() {
  const found = document.cookie.split("; ").find((pair) => pair.startsWith("csrftoken="));
  return found ? decodeURIComponent(found.slice("csrftoken=".length)) : "";
}

/** JSON of the answer; throws an Error with the problem's own words. */
export async function call(url, method = "GET", body = undefined) {
  const response = await fetch(url, {
    method,
    credentials: "same-origin",
    headers: {
      Accept: "application/json",
      ...(method === "GET" ? {} : { "X-CSRFToken": csrfToken() }),
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
    },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const answer = response.status === 204 ? null : await response.json().catch(() => null);
  if (response.ok) return answer;
  const fields = Object.values(answer?.errors ?? {}).flat().join(" ");
  const error = new Error(fields || answer?.detail || `The server answered ${response.status}.`);
  error.status = response.status;
  throw error;
}

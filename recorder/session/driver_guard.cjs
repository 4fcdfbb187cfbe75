// Loaded into Playwright's driver by NODE_OPTIONS. Its raw binding is in the page's world: a page
// that calls it with what is no JSON would end the driver, and with it the whole session.
process.on('uncaughtException', (error) => {
  const stack = String((error && error.stack) || error);
  if (error instanceof SyntaxError && /PageBinding\.dispatch|onBindingCalled/.test(stack)) return;
  if (error instanceof TypeError && /PageBinding\.dispatch/.test(stack)) return;
  process.stderr.write(`${stack.slice(0, 4000)}\n`);
  process.exit(1);
});

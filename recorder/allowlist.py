"""The only code that Tapedeck stores or runs as a recorded test.

`recorder.codegen` writes it from typed steps; this is the second lock, independent of the
first: whatever got past the typing, a file that is more than locators, actions and
expectations of Playwright is refused. Code that a page put into a string stays a string.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from recorder.selectors import shorten

MAX_CODE = 2_000_000

# The one function that reads the environment; only its exact tree is allowed.
SECRET_FUNCTION = '''
def secret(name: str) -> str:
    """A value that is written down nowhere; the environment gives it."""
    value = os.environ.get(name)
    if value is None:
        raise RuntimeError(f"Set {name} in the environment before running this test.")
    return value
'''

IMPORTS = {"os", "re", "pytest"}
IMPORTED_NAMES = {
    "pathlib": {"Path"},
    "playwright.sync_api": {"Dialog", "Page", "Playwright", "expect"},
}
CONTEXT_ARGUMENTS = {
    "bypass_csp", "color_scheme", "device_scale_factor", "extra_http_headers", "geolocation",
    "has_touch", "http_credentials", "ignore_https_errors", "is_mobile", "locale", "permissions",
    "storage_state", "timezone_id", "user_agent", "viewport",
}  # fmt: skip
# Locators may stand anywhere in an expression; verbs act.
_LOCATORS = {
    "and_", "filter", "get_by_alt_text", "get_by_label", "get_by_placeholder", "get_by_role",
    "get_by_test_id", "get_by_text", "get_by_title", "locator", "nth", "or_",
}  # fmt: skip
_LOCATOR_PROPERTIES = {"content_frame", "first", "last"}
_VERBS = {
    "check", "click", "close", "dblclick", "drag_to", "fill", "go_back", "go_forward", "goto",
    "hover", "new_page", "on", "once", "press", "reload", "select_option", "set_input_files",
    "uncheck", "wheel",
}  # fmt: skip
_CHECKS = {
    "not_to_be_checked", "to_be_checked", "to_be_visible", "to_contain_text", "to_have_text",
    "to_have_url", "to_have_value",
}  # fmt: skip
_WAITS = {"expect_download", "expect_event", "expect_popup"}
_ANSWERS = {"accept", "dismiss"}
_FLAGS = {"IGNORECASE", "MULTILINE", "DOTALL"}
_KEYWORDS = {
    "button", "checked", "click_count", "description", "disabled", "exact", "expanded", "has",
    "has_not", "has_not_text", "has_text", "include_hidden", "level", "modifiers", "name",
    "position", "pressed", "selected", "source_position", "target_position", "visible",
    "wait_until", "pytrace",
}  # fmt: skip

_PAGE = re.compile(r"page[0-9]{0,3}")
_INFO = re.compile(r"(?:page|download)[0-9]{0,5}_info")
_BOX = re.compile(r"box[0-9]{1,5}")
_POPUPS = re.compile(r"popups_[0-9]{1,5}")
_ANSWER = re.compile(r"answer_[0-9]{1,5}_[0-9]{1,5}")
_SECRET = re.compile(r"[A-Z][A-Z0-9_]{0,60}")
_TEST = re.compile(r"test_[a-z0-9_]{1,100}")


class NotAllowed(Exception):
    """The code holds something that a recorded test never holds."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(f"line {line}: {why}")
        self.line = line
        self.why = why


def check(code: str) -> None:
    """Refuse `code` unless every node of it is one that a recorded test may have.

    :raises NotAllowed: with the line and the reason.
    """
    if len(code) > MAX_CODE:
        raise NotAllowed(0, f"The code is longer than {MAX_CODE} characters.")
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise NotAllowed(getattr(error, "lineno", 0) or 0, "The code does not parse.") from error
    _Check().module(tree)


class _Check:
    def __init__(self) -> None:
        self.secrets: set[str] = set()
        self.tests = 0

    def module(self, tree: ast.Module) -> None:
        for number, node in enumerate(tree.body):
            match node:
                case ast.Expr(value=ast.Constant(value=str())) if number == 0:
                    pass
                case ast.Import():
                    self._need(
                        node, all(a.name in IMPORTS and not a.asname for a in node.names), "import"
                    )
                case ast.ImportFrom(level=0, module=str(module)):
                    known = IMPORTED_NAMES.get(module, set())
                    self._need(
                        node, all(a.name in known and not a.asname for a in node.names), "import"
                    )
                case ast.Assign(targets=[ast.Name(id=name)]):
                    self._assignment(node, name)
                case ast.FunctionDef():
                    self._function(node)
                case _:
                    raise self._refused(node, "statement")
        if self.tests != 1:
            raise NotAllowed(0, "A recorded test has exactly one test function.")

    def _assignment(self, node: ast.Assign, name: str) -> None:
        if name == "HERE":
            same = ast.dump(node.value) == _HERE
        else:
            expected = f"TAPEDECK_SECRET_{name}"
            match node.value:
                case ast.Call(
                    func=ast.Name(id="secret"), args=[ast.Constant(value=given)], keywords=[]
                ):
                    same = bool(_SECRET.fullmatch(name)) and given == expected
                case _:
                    same = False
            self.secrets.add(name)
        self._need(node, same, "assignment")

    def _function(self, node: ast.FunctionDef) -> None:
        if node.name == "secret":
            self._need(node, ast.dump(node) == _SECRET_DUMP, "function secret")
        elif node.name == "browser_context_args":
            self._context_arguments(node)
        else:
            signature = ast.unparse(node.args) == "page: Page" and not node.decorator_list
            self._need(node, bool(_TEST.fullmatch(node.name)) and signature, "function")
            self.tests += 1
            self._body(node.body)

    def _context_arguments(self, node: ast.FunctionDef) -> None:
        head = [ast.unparse(decorator) for decorator in node.decorator_list]
        self._need(node, head == ["pytest.fixture(scope='session')"], "fixture")
        known = {"browser_context_args: dict", "browser_context_args: dict, playwright: Playwright"}
        self._need(node, ast.unparse(node.args) in known, "fixture")
        match node.body:
            case [ast.Return(value=ast.Dict() as arguments)]:
                pass
            case _:
                raise self._refused(node, "fixture")
        for key, value in zip(arguments.keys, arguments.values, strict=True):
            if key is None:
                self._unpacked(value)
                continue
            self._need(key, _text(key) in CONTEXT_ARGUMENTS, "context option")
            if _text(key) == "storage_state" and isinstance(value, ast.BinOp):
                self._file(value)
            else:
                self._data(value)

    def _unpacked(self, value: ast.expr) -> None:
        match value:
            case ast.Name(id="browser_context_args"):
                pass
            case ast.Subscript(
                value=ast.Attribute(value=ast.Name(id="playwright"), attr="devices"),
                slice=ast.Constant(value=str()),
            ):
                pass
            case _:
                raise self._refused(value, "context option")

    def _body(self, statements: Iterable[ast.stmt]) -> None:
        for node in statements:
            match node:
                case ast.Expr(value=ast.Call() as call):
                    self._verb(call)
                case ast.With(items=[item]):
                    self._wait(item)
                    self._body(node.body)
                case ast.Assign(targets=[target]):
                    self._local(node, target)
                case ast.Assert(msg=None):
                    self._need(
                        node, bool(_DOWNLOADED.fullmatch(ast.unparse(node.test))), "assertion"
                    )
                case ast.FunctionDef():
                    head = ast.unparse(node.args) == "dialog: Dialog" and not node.decorator_list
                    self._need(node, head and bool(_ANSWER.fullmatch(node.name)), "function")
                    self._body(node.body)
                case ast.Pass():
                    pass
                case _:
                    raise self._refused(node, "statement")

    def _local(self, node: ast.Assign, target: ast.expr) -> None:
        value = node.value
        match target, value:
            case ast.Name(id=name), ast.List(elts=[]):
                self._need(node, bool(_POPUPS.fullmatch(name)), "assignment")
            case ast.Name(id=name), ast.Attribute(value=ast.Name(id=info), attr="value"):
                same = bool(_PAGE.fullmatch(name)) and info == f"{name}_info"
                self._need(node, same, "assignment")
            case ast.Name(id=name), ast.Call(
                func=ast.Attribute(attr="new_page"), args=[], keywords=[]
            ):
                self._need(node, bool(_PAGE.fullmatch(name)), "assignment")
                self._need(node, ast.unparse(value) == "page.context.new_page()", "assignment")
            case ast.Name(id=name), ast.Call(
                func=ast.Attribute(value=element, attr="bounding_box"), args=[], keywords=[]
            ):
                self._need(node, bool(_BOX.fullmatch(name)), "assignment")
                self._element(element)
            case ast.Tuple(elts=names), ast.Name(id=popups):
                pages = all(isinstance(n, ast.Name) and _PAGE.fullmatch(n.id) for n in names)
                self._need(node, pages and bool(_POPUPS.fullmatch(popups)), "assignment")
            case _:
                raise self._refused(node, "assignment")

    def _wait(self, item: ast.withitem) -> None:
        call = item.context_expr
        match item.optional_vars:
            case None:
                pass
            case ast.Name(id=name) if _INFO.fullmatch(name):
                pass
            case _:
                raise self._refused(call, "name")
        match call:
            case ast.Call(func=ast.Attribute(value=source, attr=wait), keywords=[]) if (
                wait in _WAITS
            ):
                self._source(source)
            case _:
                raise self._refused(call, "wait")
        match wait, call.args:
            case "expect_event", [ast.Constant(value="dialog")]:
                pass
            case (("expect_popup" | "expect_download"), []):
                pass
            case "expect_popup", [ast.Lambda() as ready]:
                self._need(ready, bool(_COUNTED.fullmatch(ast.unparse(ready))), "condition")
            case _:
                raise self._refused(call, "wait")

    def _verb(self, call: ast.Call) -> None:
        func = call.func
        if not isinstance(func, ast.Attribute):
            raise self._refused(call, "call")
        verb, subject = func.attr, func.value
        match subject:
            case ast.Name(id="pytest"):
                same = verb == "fail" and len(call.args) == 1 and _text(call.args[0]) is not None
                self._need(call, same and _false_pytrace(call.keywords), "call")
                return
            case ast.Name(id="dialog"):
                self._answer(call)
                return
            case ast.Call(func=ast.Name(id="expect"), args=[checked], keywords=[]):
                self._need(call, verb in _CHECKS, "expectation")
                self._element(checked)
            case ast.Attribute(attr="mouse" | "keyboard", value=ast.Name(id=page)):
                known = {"click", "down", "move", "press", "up", "wheel"}
                self._need(call, bool(_PAGE.fullmatch(page)) and verb in known, "call")
                if verb == "move":
                    self._move(call)
                    return
            case _:
                self._need(call, verb in _VERBS, "call")
                if verb in {"on", "once"}:
                    self._listener(call, subject)
                    return
                self._element(subject)
        if verb == "goto":
            self._need(call, bool(call.args) and _web(_text(call.args[0])), "address")
        if verb == "set_input_files":
            self._files(call)
            return
        for argument in call.args:
            self._argument(argument)
        self._keywords(call)

    def _move(self, call: ast.Call) -> None:
        """To a point that is counted from the box of an element."""
        self._need(call, bool(_MOVED.fullmatch(ast.unparse(call))), "call")

    def _files(self, call: ast.Call) -> None:
        self._need(call, len(call.args) == 1 and not call.keywords, "file")
        given = call.args[0]
        for path in given.elts if isinstance(given, ast.List) else [given]:
            self._need(path, isinstance(path, ast.BinOp), "file")
            self._argument(path)

    def _listener(self, call: ast.Call, subject: ast.expr) -> None:
        self._source(subject)
        match call.args:
            case [ast.Constant(value="dialog"), ast.Name(id=name)] if _ANSWER.fullmatch(name):
                pass
            case [ast.Constant(value="dialog"), ast.Lambda(body=ast.Call() as answer) as given]:
                self._need(call, ast.unparse(given.args) == "dialog", "listener")
                self._answer(answer)
            case [
                ast.Constant(value="popup"),
                ast.Attribute(value=ast.Name(id=name), attr="append"),
            ]:
                self._need(call, bool(_POPUPS.fullmatch(name)), "listener")
            case _:
                raise self._refused(call, "listener")
        self._need(call, not call.keywords, "listener")

    def _answer(self, call: ast.Call) -> None:
        match call:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="dialog"), attr=attr), args=args, keywords=[]
            ) if attr in _ANSWERS and len(args) <= 1 and all(_text(a) is not None for a in args):
                pass
            case _:
                raise self._refused(call, "answer")

    def _source(self, node: ast.expr) -> None:
        """A page, or its context."""
        if isinstance(node, ast.Attribute) and node.attr == "context":
            node = node.value
        self._need(node, isinstance(node, ast.Name) and bool(_PAGE.fullmatch(node.id)), "page")

    def _element(self, node: ast.expr) -> None:
        """A page, or a locator that starts at one."""
        match node:
            case ast.Name(id=name) if _PAGE.fullmatch(name):
                pass
            case ast.Attribute(value=inner, attr=attr) if attr in _LOCATOR_PROPERTIES:
                self._element(inner)
            case ast.Call(func=ast.Attribute(value=inner, attr=attr)) if attr in _LOCATORS:
                self._element(inner)
                for argument in node.args:
                    self._argument(argument)
                self._keywords(node)
            case _:
                raise self._refused(node, "locator")

    def _keywords(self, call: ast.Call) -> None:
        for keyword in call.keywords:
            self._need(call, keyword.arg in _KEYWORDS, "argument")
            self._argument(keyword.value)

    def _argument(self, node: ast.expr) -> None:
        match node:
            case ast.BinOp():
                self._file(node)
            case ast.Call(func=ast.Attribute(value=ast.Name(id="re"), attr="compile"), keywords=[]):
                self._need(node, bool(node.args) and _text(node.args[0]) is not None, "regex")
                for flags in node.args[1:]:
                    self._flags(flags)
            case ast.Call() | ast.Attribute():
                self._element(node)
            case ast.List(elts=elements):
                for element in elements:
                    self._argument(element)
            case _:
                self._data(node)

    def _flags(self, node: ast.expr) -> None:
        match node:
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                self._flags(left)
                self._flags(right)
            case ast.Attribute(value=ast.Name(id="re"), attr=attr) if attr in _FLAGS:
                pass
            case _:
                raise self._refused(node, "regex")

    def _file(self, node: ast.BinOp) -> None:
        match node:
            case ast.BinOp(
                left=ast.Name(id="HERE"), op=ast.Div(), right=ast.Constant(value=str(path))
            ):
                inside = (
                    not path.startswith("/") and "\\" not in path and ".." not in path.split("/")
                )
                self._need(node, inside, "file")
            case _:
                raise self._refused(node, "file")

    def _data(self, node: ast.expr) -> None:
        match node:
            case ast.Constant(value=str() | bool() | int() | float() | None):
                pass
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float())):
                pass
            case ast.Name(id=name) if name in self.secrets or _PAGE.fullmatch(name):
                pass
            case ast.List(elts=elements):
                for element in elements:
                    self._data(element)
            case ast.Dict(keys=keys, values=values):
                for key, value in zip(keys, values, strict=True):
                    if key is None or _text(key) is None:
                        raise self._refused(node, "value")
                    self._data(value)
            case _:
                raise self._refused(node, "value")

    def _need(self, node: ast.AST, holds: bool, what: str) -> None:
        if not holds:
            raise self._refused(node, what)

    def _refused(self, node: ast.AST, what: str) -> NotAllowed:
        return NotAllowed(
            getattr(node, "lineno", 0), f"This {what} is not allowed: {shorten(ast.unparse(node))}"
        )


_FROM_BOX = "box[0-9]{1,5}"
_DISTANCE = r"[+] -?[0-9]{1,7}(?:[.][0-9]{1,2})?"
_MOVED = re.compile(
    r"page[0-9]{0,3}[.]mouse[.]move\("
    rf"{_FROM_BOX}\['x'\](?: [+] {_FROM_BOX}\['width'\] / 2)? {_DISTANCE}, "
    rf"{_FROM_BOX}\['y'\](?: [+] {_FROM_BOX}\['height'\] / 2)? {_DISTANCE}, steps=10\)"
)
_COUNTED = re.compile(r"lambda popup: len\(popups_[0-9]{1,5}\) == [0-9]{1,3}")
_DOWNLOADED = re.compile(r"download[0-9]{1,5}_info\.value\.failure\(\) is None")
_SECRET_DUMP = ast.dump(ast.parse(SECRET_FUNCTION).body[0])
_HERE = ast.dump(ast.parse("Path(__file__).parent", mode="eval").body)


def _text(node: ast.AST) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _web(url: str | None) -> bool:
    if url is None:
        return False
    return url == "about:blank" or urlsplit(url).scheme in {"http", "https"}


def _false_pytrace(keywords: list[ast.keyword]) -> bool:
    return [(k.arg, ast.unparse(k.value)) for k in keywords] == [("pytrace", "False")]

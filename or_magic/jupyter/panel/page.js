// Listens on the panel that it stands in: buttons (data-orm), scrolling, code blocks, the clipboard, new cells.
// What a model wrote is in the page as safe HTML without buttons; it is only ever read here, as text.

const FOLLOW_WITHIN_PX = 40;
const CELL_TIMEOUT_MS = 1500;

function whenPlaced(el, found) {
  // A widget is rendered before it is in the page.
  const root = el.closest(".orm-panel");
  if (root) return found(root);
  let tries = 0;
  const look = () => {
    const placed = el.closest(".orm-panel");
    if (placed) found(placed);
    else if (++tries < 200) setTimeout(look, 25);
  };
  look();
}

function factsOf(button) {
  const facts = { do: button.dataset.orm };
  for (const [name, value] of Object.entries(button.dataset)) if (name !== "orm") facts[name] = value;
  const field = button.parentElement?.querySelector("input[data-name]");
  if (field) facts.name = field.value.trim();
  if (field?.type === "password") field.value = "";
  return facts;
}

async function toClipboard(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Over plain http to another machine there is no clipboard; the old way still works there.
    const field = document.createElement("textarea");
    field.value = text;
    field.style.position = "fixed";
    field.style.opacity = "0";
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    return done;
  }
}

function say(root, text) {
  const line = root.querySelector(".orm-said-aloud");
  if (!line) return;
  line.textContent = text;
  clearTimeout(line._timer);
  line._timer = setTimeout(() => (line.textContent = ""), 4000);
}

function waitFor(look) {
  return new Promise((resolve) => {
    const began = performance.now();
    const again = () => {
      const found = look();
      if (found || performance.now() - began > CELL_TIMEOUT_MS) resolve(found || null);
      else setTimeout(again, 30);
    };
    again();
  });
}

// JupyterLab and Notebook have no way for a widget to make a cell. The panel's own cell has a toolbar with a button
// that does, and an editor takes what is pasted into it. Elsewhere the code goes to the clipboard.
async function intoNextCell(root, code) {
  const cell = root.closest(".jp-Cell");
  const find = () => cell?.querySelector('[data-command="notebook:insert-cell-below"]');
  if (cell && !find()) cell.dispatchEvent(new MouseEvent("mousedown", { bubbles: true }));
  const insert = cell && (await waitFor(find));
  const before = cell?.nextElementSibling;
  if (insert) {
    insert.click();
    const editor = await waitFor(() => {
      const next = cell.nextElementSibling;
      return next && next !== before ? next.querySelector(".cm-content") : null;
    });
    if (editor) {
      editor.focus();
      const pasted = new DataTransfer();
      pasted.setData("text/plain", code);
      editor.dispatchEvent(new ClipboardEvent("paste", { clipboardData: pasted, bubbles: true, cancelable: true }));
      return "The code is in the cell below. Nothing was run.";
    }
  }
  return (await toClipboard(code)) ? "Copied: paste it into a cell." : "The code could not be copied.";
}

function codeTool(label, title, act) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = label;
  button.title = title;
  button.addEventListener("click", act);
  return button;
}

function decorate(root) {
  for (const pre of root.querySelectorAll(".orm-conversation .orm-item:not(.orm-arriving) pre:not(.orm-plain):not([data-tools])")) {
    if (pre.closest(".orm-asked")) continue;
    pre.dataset.tools = "";
    pre.tabIndex = 0; // a region that scrolls must be reachable
    const code = () => pre.querySelector("code")?.textContent ?? pre.textContent;
    const bar = document.createElement("div");
    bar.className = "orm-bar orm-code-bar";
    bar.append(
      codeTool("Copy code", "Copy this block", async () =>
        say(root, (await toClipboard(code())) ? "Copied." : "It could not be copied."),
      ),
      codeTool("To next cell", "Put this block into a new cell below; nothing is run", async () =>
        say(root, await intoNextCell(root, code().replace(/\n$/, ""))),
      ),
    );
    pre.after(bar);
  }
  for (const region of root.querySelectorAll(".orm-conversation table, .orm-conversation .orm-display")) {
    if (region.scrollWidth > region.clientWidth && region.tabIndex < 0) region.tabIndex = 0;
  }
}

// Follows the end while the reader is there; who has scrolled up is left alone.
function followEnd(root, signal) {
  const conversation = root.querySelector(".orm-conversation");
  if (!conversation) return () => {};
  conversation.tabIndex = 0;
  conversation.setAttribute("role", "log");
  conversation.setAttribute("aria-label", "Conversation");
  let isAtEnd = true;
  let top = 0;
  conversation.addEventListener(
    "scroll",
    () => {
      // What grows moves the end away and leaves the place; only a reader goes up.
      if (conversation.scrollHeight - conversation.scrollTop - conversation.clientHeight < FOLLOW_WITHIN_PX) isAtEnd = true;
      else if (conversation.scrollTop < top) isAtEnd = false;
      top = conversation.scrollTop;
    },
    { signal, passive: true },
  );
  conversation.addEventListener("wheel", (event) => event.deltaY < 0 && (isAtEnd = false), { signal, passive: true });
  const follow = () => {
    if (isAtEnd) conversation.scrollTop = conversation.scrollHeight;
    top = conversation.scrollTop;
  };
  const sizes = new ResizeObserver(follow);
  const watch = () => {
    sizes.disconnect();
    sizes.observe(conversation);
    for (const child of conversation.children) sizes.observe(child);
    follow();
  };
  const children = new MutationObserver(watch);
  children.observe(conversation, { childList: true });
  watch();
  signal.addEventListener("abort", () => {
    sizes.disconnect();
    children.disconnect();
  });
  return () => {
    isAtEnd = true;
    follow();
  };
}

function closeMenus(root, except) {
  for (const menu of root.querySelectorAll("details.orm-menu[open]")) if (menu !== except) menu.open = false;
}

// Above its button where there is room within what scrolls around it, else below.
function placeMenu(menu) {
  const entries = menu.querySelector(".orm-entries");
  const around = (menu.closest(".orm-conversation") ?? document.documentElement).getBoundingClientRect();
  const place = menu.getBoundingClientRect();
  menu.classList.remove("orm-down");
  const isTooHigh = place.top - entries.offsetHeight < Math.max(around.top, 0);
  menu.classList.toggle("orm-down", isTooHigh);
  if (isTooHigh) entries.scrollIntoView({ block: "nearest" });
}

function listen(root, model, signal) {
  root.setAttribute("role", "region");
  root.setAttribute("aria-label", "OpenRouter panel");
  root.setAttribute("data-lm-suppress-shortcuts", "true");
  const toEnd = followEnd(root, signal);
  root.addEventListener(
    "click",
    (event) => {
      const button = event.target.closest("[data-orm]");
      closeMenus(root, event.target.closest("details.orm-menu"));
      if (!button || !root.contains(button)) return;
      event.preventDefault();
      closeMenus(root, null);
      model.send(factsOf(button));
    },
    { signal },
  );
  root.addEventListener(
    "keydown",
    (event) => {
      const menu = event.target.closest?.("details.orm-menu[open]");
      if (event.key === "Escape" && menu) {
        menu.open = false;
        menu.querySelector("summary").focus();
      }
      if (event.key === "Enter" && event.target.matches?.("input[data-name]")) {
        event.preventDefault();
        event.target.closest(".orm-entry").querySelector("button").click();
      }
    },
    { signal },
  );
  root.addEventListener("toggle", (event) => event.target.matches?.("details.orm-menu[open]") && placeMenu(event.target), {
    capture: true, // it does not bubble
    signal,
  });
  const pending = { frame: 0 };
  const changes = new MutationObserver(() => {
    if (!pending.frame) {
      pending.frame = requestAnimationFrame(() => {
        pending.frame = 0;
        decorate(root);
      });
    }
  });
  const conversation = root.querySelector(".orm-conversation");
  if (conversation) changes.observe(conversation, { childList: true, subtree: true, attributeFilter: ["class"] });
  decorate(root);
  signal.addEventListener("abort", () => changes.disconnect());
  root.addEventListener("orm-end", toEnd, { signal });
}

function render({ model, el }) {
  const gone = new AbortController();
  el.classList.add("orm-said-aloud");
  el.setAttribute("role", "status");
  whenPlaced(el, (root) => {
    if (gone.signal.aborted) return;
    listen(root, model, gone.signal);
    const heard = async (content) => {
      if (content.do === "copy") say(root, (await toClipboard(content.text)) ? "Copied." : "It could not be copied.");
      if (content.do === "end") root.dispatchEvent(new Event("orm-end"));
    };
    model.on("msg:custom", heard);
    gone.signal.addEventListener("abort", () => model.off("msg:custom", heard));
  });
  return () => gone.abort();
}

export default { render };

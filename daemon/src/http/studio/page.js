// Elements of the page, made from plain values: no text is ever read as HTML.

export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) {
    if (attribute.startsWith("on")) element.addEventListener(attribute.slice(2), value);
    else if (typeof value === "boolean") element.toggleAttribute(attribute, value);
    else if (value !== null && value !== undefined) element.setAttribute(attribute, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const notice = document.getElementById("notice");

export function say(text, kind = "") {
  notice.className = kind;
  notice.textContent = text;
}

// Runs what a button asks for; while it runs the button cannot be pressed again, and a failure is said.
export async function busy(button, work) {
  button.disabled = true;
  say("");
  try {
    return await work();
  } catch (error) {
    say(error.message, "bad");
    return undefined;
  } finally {
    button.disabled = false;
  }
}

export function size(bytes) {
  return bytes >= 1048576 ? `${(bytes / 1048576).toFixed(1)} MiB` : `${Math.max(1, Math.round(bytes / 1024))} KiB`;
}

export const when = (time) => (time ? new Date(time).toLocaleString() : "");
export const rate = (fps) => `${Number(fps.toFixed(3))} fps`;

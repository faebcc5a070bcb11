// What the workbench adds to Unfold. Everything works without it too: a button of an action is a link to its page.
document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-dialog]");
  const dialog = opener && document.getElementById(opener.dataset.dialog);
  if (dialog) {
    event.preventDefault();
    dialog.showModal();
    dialog.querySelector("input:not([type=hidden])")?.focus();
    return;
  }
  if (event.target.closest("[data-close]")) event.target.closest("dialog")?.close();
  const menu = event.target.closest(".ops-filter");
  document.querySelectorAll(".ops-filter[open]").forEach((other) => other !== menu && other.removeAttribute("open"));
});

// A verb is asked for once, however often its button is pressed.
document.addEventListener("submit", (event) => {
  if (event.target.method !== "post") return;
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "1";
});
window.addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach((form) => delete form.dataset.sent));

// Choosing rows: how many, and buttons only when there are some.
function countChosen(form) {
  const boxes = [...form.querySelectorAll("input[name=id]")];
  const chosen = boxes.filter((box) => box.checked).length;
  const all = form.querySelector("[data-all]");
  all.checked = chosen > 0 && chosen === boxes.length;
  all.indeterminate = chosen > 0 && chosen < boxes.length;
  form.querySelectorAll("[data-needs-choice]").forEach((button) => { button.disabled = !chosen; });
  form.querySelector("[data-chosen]").textContent = chosen ? `${chosen} chosen:` : "Choose rows to act on them:";
}
document.addEventListener("change", (event) => {
  const form = event.target.closest("[data-bulk]");
  if (!form) return;
  if (event.target.matches("[data-all]")) form.querySelectorAll("input[name=id]").forEach((box) => { box.checked = event.target.checked; });
  countChosen(form);
});
window.addEventListener("pageshow", () => document.querySelectorAll("[data-bulk]").forEach(countChosen));

// Keys: / search, j and k through the rows, Enter opens, r reads anew, g then p, d, a, b or o goes to a page.
const PAGES = { o: "/admin/", p: "/admin/payouts/payout/", d: "/admin/payouts/payout/needs-a-person/", a: "/admin/payouts/payoutalert/?resolved__exact=0", b: "/admin/payouts/bankconnector/" };
let before = "";
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, dialog")) return;
  const key = event.key;
  const links = [...document.querySelectorAll(".ops-row-link")];
  const here = links.indexOf(document.activeElement);
  if (before === "g" && PAGES[key]) location.href = PAGES[key];
  else if (key === "/" && document.getElementById("searchbar")) { event.preventDefault(); document.getElementById("searchbar").focus(); }
  else if (key === "j") links[Math.min(here + 1, links.length - 1)]?.focus();
  else if (key === "k") links[Math.max(here - 1, 0)]?.focus();
  else if (key === "r") location.reload();
  before = key;
});

// A page that shows how things are is read anew while somebody looks at it, and left alone while somebody works in it.
const fresh = document.querySelector("[data-refresh]");
if (fresh) setInterval(async () => {
  if (document.hidden || document.querySelector("dialog[open]") || document.querySelector("[data-refresh]").contains(document.activeElement)) return;
  try {
    const answer = await fetch(location.href, { credentials: "same-origin" });
    if (!answer.ok || answer.redirected) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const part = page.querySelector("[data-refresh]");
    if (part) document.querySelector("[data-refresh]").replaceWith(part);
  } catch { /* The next one will do. */ }
}, Number(fresh.dataset.refresh) * 1000);

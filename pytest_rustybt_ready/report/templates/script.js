"use strict";
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const one = (selector) => document.querySelector(selector);
  const bar = one(".filters");
  const items = all("details.item[data-kind]");
  const groups = all(".group, .chapter");
  const control = (name) => bar.querySelector(`[name=${name}]`);
  const boxes = all("[name=status]", bar);
  const texts = new Map();

  const textOf = (item) => {
    if (!texts.has(item)) texts.set(item, item.textContent.toLowerCase());
    return texts.get(item);
  };
  const statusOf = (item) => item.querySelector(".mark").classList[1];
  const sectionOf = (item) => item.closest(".chapter").dataset.section;
  const plural = (n, noun) => `${n} ${noun}${n === 1 ? "" : "s"}`;

  const wanted = () => ({
    status: new Set(boxes.filter((box) => box.checked).map((box) => box.value)),
    section: control("section").value,
    kind: control("kind").value,
    blocking: control("blocking").checked,
    words: control("q").value.toLowerCase().split(/\s+/).filter(Boolean),
  });

  const fits = (item, want) =>
    (!want.section || sectionOf(item) === want.section) &&
    (!want.kind || item.dataset.kind.split(" ").includes(want.kind)) &&
    (!want.blocking || "blocking" in item.dataset) &&
    want.words.every((word) => textOf(item).includes(word));

  const apply = () => {
    const want = wanted();
    const counts = new Map(boxes.map((box) => [box.value, 0]));
    let proper = 0, subs = 0;
    for (const item of items) {
      const fit = fits(item, want);
      if (fit) counts.set(statusOf(item), counts.get(statusOf(item)) + 1);
      item.hidden = !fit || (want.status.size > 0 && !want.status.has(statusOf(item)));
      if (!item.hidden) item.classList.contains("sub") ? subs++ : proper++;
    }
    for (const group of groups) group.hidden = !group.querySelector("details.item:not([hidden])");
    for (const box of boxes) box.parentElement.querySelector("b").textContent = counts.get(box.value);
    const under = subs ? ` and ${plural(subs, "sub-item")}` : "";
    one("output").textContent = `Showing ${plural(proper, "item")}${under}`;
    one(".nothing").hidden = proper + subs > 0;
  };

  const read = () => {
    const asked = new URLSearchParams(location.hash.slice(1));
    const status = (asked.get("status") || "").split(",");
    for (const box of boxes) box.checked = status.includes(box.value);
    for (const name of ["section", "kind", "q"]) control(name).value = asked.get(name) || "";
    for (const name of ["section", "kind"]) if (control(name).selectedIndex < 0) control(name).value = "";
    control("blocking").checked = asked.has("blocking");
    apply();
  };

  const write = () => {
    const want = wanted();
    const say = [];
    if (want.status.size) say.push(`status=${[...want.status].join(",")}`);
    if (want.section) say.push(`section=${want.section}`);
    if (want.kind) say.push(`kind=${want.kind}`);
    if (want.blocking) say.push("blocking=1");
    if (want.words.length) say.push(`q=${encodeURIComponent(control("q").value.trim())}`);
    history.replaceState(null, "", say.length ? `#${say.join("&")}` : location.pathname + location.search);
    apply();
  };

  const clear = () => {
    for (const box of boxes) box.checked = false;
    for (const name of ["section", "kind", "q"]) control(name).value = "";
    control("blocking").checked = false;
  };

  const reveal = (target) => {
    const item = target.closest("details.item");
    if (item && item.hidden) { clear(); apply(); }
    if (target.hidden || target.closest("[hidden]")) { clear(); apply(); }
    if (item) item.open = true;
    target.scrollIntoView();
  };

  const follow = () => {
    const id = decodeURIComponent(location.hash.slice(1));
    const target = id && !id.includes("=") && document.getElementById(id);
    if (target) reveal(target); else if (id.includes("=")) read();
  };

  for (const term of all("[data-filter]")) {
    const link = document.createElement("a");
    link.href = `#${term.dataset.filter}`;
    link.className = term.className;
    link.append(...term.childNodes);
    link.addEventListener("click", () => one("#items").scrollIntoView());
    term.replaceWith(link);
  }
  bar.addEventListener("input", write);
  for (const button of all("[name=clear]")) button.addEventListener("click", () => { clear(); write(); control("q").focus(); });
  control("open").addEventListener("click", () => {
    const shown = items.filter((item) => !item.hidden);
    const open = shown.some((item) => !item.open);
    for (const item of shown) item.open = open;
    control("open").textContent = open ? "Close all" : "Open all";
  });

  let before = [];
  const unfold = () => {
    before = all("details:not([open])");
    for (const found of before) found.open = true;
  };
  const fold = () => { for (const found of before.splice(0)) found.open = false; };
  addEventListener("beforeprint", unfold);
  addEventListener("afterprint", fold);

  bar.hidden = false;
  addEventListener("hashchange", follow);
  read();
  follow();
})();

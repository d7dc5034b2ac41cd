"use strict";
for (const section of document.querySelectorAll("section")) {
  const words = [...section.querySelectorAll(".summary button")];
  const shots = [...section.querySelectorAll(".shots li")];
  const text = [...section.querySelectorAll(".text span")];
  let kept = null;
  const paint = (elements, weights, property) => {
    const most = Math.max(...weights, 1e-9);
    elements.forEach((element, place) => {
      const share = weights.length ? weights[place] / most : 0;
      element.style[property] = share > 0.15 ? `rgba(var(--looked), ${share.toFixed(2)})` : "";
    });
  };
  const show = (word) => {
    paint(shots, word ? JSON.parse(word.dataset.frames) : [], "borderColor");
    paint(text, word ? JSON.parse(word.dataset.text) : [], "backgroundColor");
  };
  const keep = (word) => {
    kept = kept === word ? null : word;
    words.forEach((each) => each.setAttribute("aria-pressed", String(each === kept)));
    show(kept);
  };
  for (const word of words) {
    word.addEventListener("mouseenter", () => show(word));
    word.addEventListener("mouseleave", () => show(kept));
    word.addEventListener("focus", () => show(word));
    word.addEventListener("blur", () => show(kept));
    word.addEventListener("click", () => keep(word));
  }
}
if (window.parent !== window) {
  // Inside another page, which cannot look in here: it is told how tall this one is.
  new ResizeObserver(() => window.parent.postMessage({ height: document.documentElement.offsetHeight }, "*")).observe(document.body);
}

"use strict";
const articles = Array.from(document.querySelectorAll("article"));
const lineOf = article => JSON.parse(article.dataset.line);
const textOf = article => article.querySelector("textarea").value.trim();
const isChanged = article => { const line = lineOf(article); return !("generated" in line) || textOf(article) !== line.generated.trim(); };
function show() {
  const words = document.getElementById("search").value.toLowerCase();
  const changed = document.getElementById("changed").checked, long = document.getElementById("long").checked;
  let shown = 0;
  for (const article of articles) {
    article.classList.toggle("changed", isChanged(article));
    const found = (article.textContent + textOf(article)).toLowerCase().includes(words);
    article.hidden = !(found && (!changed || isChanged(article)) && (!long || article.dataset.long === "yes"));
    shown += article.hidden ? 0 : 1;
  }
  document.getElementById("state").textContent = shown + " shown, " + articles.filter(isChanged).length + " corrected";
}
document.addEventListener("input", show);
document.getElementById("save").addEventListener("click", () => {
  const lines = articles.map(article => JSON.stringify({...lineOf(article), summary: textOf(article)}) + "\n");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(lines, {type: "application/jsonl"}));
  link.download = document.body.dataset.name;
  link.click();
});
show();

"use strict";
// The page stands in a frame without rights: it can neither read nor change this one, and says no more than its height.
const frame = element.querySelector("iframe");
const show = () => {
  frame.hidden = !props.value?.html;
  frame.srcdoc = props.value?.html ?? "";
};
watch("value", show);
window.addEventListener("message", (message) => {
  const height = message.source === frame.contentWindow && Number(message.data?.height);
  if (height > 0) frame.style.height = `${Math.min(height, 20000)}px`;
});

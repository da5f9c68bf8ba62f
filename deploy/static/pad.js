// The canvas on which a number is drawn with mouse, pen or finger.

const canvas = document.getElementById("canvas");
const context = canvas.getContext("2d");
let empty = true;
let last = null; // [x, y] of the pen while it is down

function wipe() {
  context.fillStyle = "#fff"; // paper, in dark mode too
  context.fillRect(0, 0, canvas.width, canvas.height);
  Object.assign(context, { strokeStyle: "#16202c", lineWidth: 24, lineCap: "round", lineJoin: "round" });
  empty = true;
}

function place(event) {
  const box = canvas.getBoundingClientRect();
  return [((event.clientX - box.left) * canvas.width) / box.width, ((event.clientY - box.top) * canvas.height) / box.height];
}

function draw(event) {
  const next = place(event);
  context.beginPath();
  context.moveTo(...last);
  context.lineTo(...next);
  context.stroke();
  last = next;
  empty = false;
}

canvas.addEventListener("pointerdown", (event) => {
  if (event.button !== 0 || !event.isPrimary) return; // the other buttons, and the ball of the hand
  canvas.setPointerCapture(event.pointerId);
  last = place(event);
  draw(event);
});
canvas.addEventListener("pointermove", (event) => {
  if (!last || !event.isPrimary) return;
  const moves = event.getCoalescedEvents?.() ?? [];
  for (const move of moves.length ? moves : [event]) draw(move);
});
for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => (last = null));
document.getElementById("wipe").addEventListener("click", wipe);
wipe();

/** What is drawn, as a PNG file and as a data URL; null where nothing is. */
export async function drawing() {
  if (empty) return null;
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  return { file: blob, url: canvas.toDataURL("image/png") };
}

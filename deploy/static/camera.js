// One photo from the camera: a live picture in a dialog where the browser has one, the phone's own camera elsewhere.

const dialog = document.getElementById("camera_dialog");
const video = document.getElementById("video");
const shoot = document.getElementById("shoot");
video.onloadeddata = () => (shoot.disabled = false);

function fromPhone() {
  return new Promise((resolve) => {
    const input = Object.assign(document.createElement("input"), { type: "file", accept: "image/*", capture: "environment" });
    input.addEventListener("change", () => resolve(input.files[0] ?? null));
    input.addEventListener("cancel", () => resolve(null));
    input.click();
  });
}

function shot() {
  const canvas = document.createElement("canvas");
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext("2d").drawImage(video, 0, 0);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.92));
}

function clicked() {
  return new Promise((resolve) => {
    shoot.onclick = () => resolve(true);
    document.getElementById("stop").onclick = () => resolve(false);
    dialog.onclose = () => resolve(false);
  });
}

export async function takePhoto() {
  // A phone's own camera application takes sharper photos than a video frame.
  const phone = matchMedia("(pointer: coarse)").matches;
  if (phone || !navigator.mediaDevices?.getUserMedia) return fromPhone();
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({
      video: { facingMode: "environment", width: { ideal: 1920 }, height: { ideal: 1080 } },
    });
  } catch (error) {
    throw new Error(error.name === "NotFoundError" ? "There is no camera." : "The camera cannot be used: permission was refused.");
  }
  try {
    // Before the first frame there is nothing to take.
    shoot.disabled = true;
    video.srcObject = stream;
    dialog.showModal();
    if (!(await clicked())) return null;
    const blob = await shot();
    return new File([blob], `photo ${new Date().toISOString().slice(0, 19).replaceAll(":", "")}.jpg`, { type: "image/jpeg" });
  } finally {
    stream.getTracks().forEach((track) => track.stop());
    video.srcObject = null;
    if (dialog.open) dialog.close();
  }
}

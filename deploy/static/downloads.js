// Results as files: JSON, CSV, and Label Studio tasks whose predictions an annotator only has to check.

const reading = (entry) => entry.corrected ?? (entry.result.success ? entry.result.text : "");

function json(entries) {
  return JSON.stringify(
    entries.map(({ name, task, result, corrected }) => {
      const { display, annotated, ...kept } = result;
      return { ...kept, task, image: name, corrected };
    }),
    null,
    2,
  );
}

// A spreadsheet takes a cell that begins with one of these for a formula.
const cell = (value) => {
  const text = String(value ?? "");
  return `"${(/^[=+\-@\t\r]/.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`;
};

function csv(entries) {
  const rows = [["image", "reading", "read", "confidence", "reason", "counter_class", "corrected", "task"]];
  for (const entry of entries) {
    const { result } = entry;
    const read = result.text || result.rejected_text || "";
    rows.push([entry.name, reading(entry), read, result.confidence, result.reason, result.counter_class, entry.corrected !== null, entry.task]);
  }
  return rows.map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

const LABELS = { analog: "Analog", digital: "Digital", analog_illegible: "Analog_illegible", digital_illegible: "Digital_illegible" };

function labelling(entry) {
  const { result, name } = entry;
  const [height, width] = result.original_image_shape;
  const regions = [];
  if (result.corners) {
    regions.push({
      id: "display",
      from_name: "label",
      to_name: "image",
      type: "polygonlabels",
      original_width: width,
      original_height: height,
      image_rotation: 0,
      value: {
        points: result.corners.map(([x, y]) => [(100 * x) / width, (100 * y) / height]),
        closed: true,
        polygonlabels: [LABELS[result.counter_class]],
      },
    });
  }
  return {
    data: { image: name, reading: reading(entry) },
    predictions: [{ model_version: "counter recognition", score: result.counter_score, result: regions }],
  };
}

const FORMATS = {
  json: ["json", "application/json", json],
  csv: ["csv", "text/csv", csv],
  tasks: ["tasks.json", "application/json", (entries) => JSON.stringify(entries.filter((each) => each.task === "meter").map(labelling), null, 2)],
};

export function download(entries, format) {
  const [ending, type, make] = FORMATS[format];
  const url = URL.createObjectURL(new Blob([make(entries)], { type }));
  const name = entries.length === 1 ? entries[0].name.replace(/\.[^.]*$/, "") : "readings";
  const link = Object.assign(document.createElement("a"), { href: url, download: `${name}.${ending}` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

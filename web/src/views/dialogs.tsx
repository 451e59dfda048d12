import { useState } from "preact/hooks";
import type { App } from "../app";
import { SHORTCUTS } from "../canvas/keys";
import type { ExportChoice } from "../export/files";
import { isUnsaved } from "../state/document";
import { Button } from "./controls";
import { Dialog } from "./dialog";
import { Samples } from "./empty_page";

export function Dialogs({ app }: { app: App }) {
  const close = () => {
    app.dialog.value = null;
  };
  switch (app.dialog.value) {
    case "shortcuts":
      return <Shortcuts onClose={close} />;
    case "export":
      return <Export app={app} onClose={close} />;
    case "samples":
      return (
        <Dialog title="Samples" onClose={close}>
          <Samples app={app} />
        </Dialog>
      );
    case null:
      return null;
  }
}

function Shortcuts({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Shortcuts" onClose={onClose}>
      <div class="shortcuts">
        {SHORTCUTS.map(({ title, lines }) => (
          <section key={title}>
            <h3>{title}</h3>
            <dl>
              {lines.map(({ keys, does }) => (
                <div key={does}>
                  <dt>
                    {keys.map((key) => (
                      <kbd key={key}>{key}</kbd>
                    ))}
                  </dt>
                  <dd>{does}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </Dialog>
  );
}

const PARTS: readonly { part: keyof ExportChoice; name: string; what: string }[] = [
  { part: "masks", name: "Masks", what: "black and white PNG of the picture's size" },
  { part: "cutouts", name: "Cut-outs", what: "PNG with a transparent background" },
  { part: "coco", name: "COCO JSON", what: "all objects of all pictures in one data set" },
];

function Export({ app, onClose }: { app: App; onClose: () => void }) {
  const { studio } = app;
  const [choice, setChoice] = useState<ExportChoice>({ masks: true, cutouts: true, coco: true });
  const [progress, setProgress] = useState<readonly [number, number] | null>(null);
  const count = studio.pictures.value.reduce(
    (sum, { history }) => sum + history.value.present.objects.length,
    0,
  );
  const pending = isUnsaved(studio.document.value);
  const nothing = (count === 0 && !pending) || !Object.values(choice).some(Boolean);
  const run = async () => {
    setProgress([0, count]);
    if (isUnsaved(studio.document.value)) await studio.save();
    await app.exportAll(choice, (done, total) => setProgress([done, total]));
    onClose();
  };
  return (
    <Dialog title="Export" onClose={onClose}>
      <p>
        {count === 1 ? "1 object" : `${count} objects`}
        {pending && ", and the mask you are working on, which is saved first"}
      </p>
      <fieldset class="parts">
        <legend>What to export</legend>
        {PARTS.map(({ part, name, what }) => (
          <label key={part}>
            <input
              type="checkbox"
              checked={choice[part]}
              onChange={(event) => setChoice({ ...choice, [part]: event.currentTarget.checked })}
            />
            <span>
              {name} <small>{what}</small>
            </span>
          </label>
        ))}
      </fieldset>
      {progress && <progress aria-label="Exporting" max={progress[1] || 1} value={progress[0]} />}
      <Button
        icon="export"
        name="Download everything (ZIP)"
        wide
        kind="primary"
        disabled={nothing || progress !== null}
        onClick={() => void run()}
      />
    </Dialog>
  );
}

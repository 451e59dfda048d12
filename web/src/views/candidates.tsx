import { useEffect, useRef } from "preact/hooks";
import type { App } from "../app";
import type { Mask } from "../decoder";
import { maskOf } from "../state/answers";
import { colourOf } from "../state/colours";
import { Choice } from "./controls";

/** The three masks of one click, side by side, with the model's own scores. */
export function Candidates({ app }: { app: App }) {
  const { studio } = app;
  const candidates = studio.candidates();
  if (candidates.length === 0) return null;
  const { candidate: chosen } = studio.draft.value;
  return (
    <section class="section">
      <div class="candidates" role="radiogroup" aria-label="Candidates">
        {candidates.map((mask, i) => {
          const percent = `${Math.round(100 * mask.iou)} %`;
          return (
            <Choice
              key={i}
              group="candidate"
              name={`Candidate ${i + 1}, ${percent}`}
              checked={i === chosen}
              onChoose={() => studio.dispatch({ type: "candidate", candidate: i })}
            >
              <Thumbnail app={app} mask={mask} />
              <span class="score">{percent}</span>
            </Choice>
          );
        })}
      </div>
    </section>
  );
}

const THUMBNAIL_PX = 88;

function Thumbnail({ app, mask }: { app: App; mask: Mask }) {
  const ref = useRef<HTMLCanvasElement>(null);
  const pixels = app.pixels.value;
  const picture = app.stage.picture.value;
  const colour = colourOf(app.studio.document.value.nextNumber);
  const ratio = globalThis.devicePixelRatio;
  useEffect(() => {
    const context = ref.current?.getContext("2d");
    if (!context || !picture) return;
    app.painter.paintThumbnail(context, picture, pixels, maskOf(mask, picture), colour);
  }, [app, mask, pixels, picture, colour]);
  return <canvas ref={ref} width={THUMBNAIL_PX * ratio} height={THUMBNAIL_PX * ratio} />;
}

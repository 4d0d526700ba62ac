/** The place for pictures: drop, paste, choose or photograph them. */
import { Camera, ImageOff, ImagePlus, X } from "lucide";
import { useEffect, useRef, useState } from "preact/hooks";
import { counted, fill, text } from "../../texts";
import { Button, IconButton } from "../../ui/button";
import { Icon } from "../../ui/icon";
import { Notice } from "../../ui/parts";

const ACCEPT = "image/png,image/jpeg,image/webp,image/gif,image/bmp,image/tiff";
const MOST = 50;

export interface Chosen {
  file: File | null;
  url: string;
  name: string;
}

export const chosenOf = (file: File): Chosen => ({ file, url: URL.createObjectURL(file), name: file.name });

export function forget(chosen: readonly Chosen[]): void {
  for (const { url } of chosen) if (url.startsWith("blob:")) URL.revokeObjectURL(url);
}

/** The picture, or its name where the browser cannot show it: TIFF, or no picture at all. */
function Shown({ picture }: { picture: Chosen }) {
  const [broken, setBroken] = useState(false);
  if (broken) return <span class="chosen-hidden"><Icon of={ImageOff} size={40} />{picture.name}</span>;
  return <img src={picture.url} alt={picture.name} onError={() => setBroken(true)} />;
}

export function Pictures({ chosen, onChange }: { chosen: readonly Chosen[]; onChange: (chosen: Chosen[]) => void }) {
  const [over, setOver] = useState(false);
  const [left, setLeft] = useState(0);
  const input = useRef<HTMLInputElement>(null);
  const camera = useRef<HTMLInputElement>(null);

  function add(files: Iterable<File>): void {
    const found = [...files];
    if (!found.length) return;
    setLeft(Math.max(0, found.length - MOST));
    forget(chosen);
    onChange(found.slice(0, MOST).map(chosenOf));
  }

  useEffect(() => {
    function paste(event: ClipboardEvent): void {
      const files = [...(event.clipboardData?.files ?? [])];
      if (!files.length) return;
      event.preventDefault();
      add(files);
    }
    addEventListener("paste", paste);
    return () => removeEventListener("paste", paste);
  });

  const inputs = (
    <>
      <input ref={input} id="photo" hidden type="file" accept={ACCEPT} multiple onChange={(event) => { add(event.currentTarget.files ?? []); event.currentTarget.value = ""; }} />
      <input ref={camera} hidden type="file" accept="image/*" capture="environment" onChange={(event) => { add(event.currentTarget.files ?? []); event.currentTarget.value = ""; }} />
    </>
  );

  return (
    <div
      id="drop"
      class={`drop${over ? " over" : ""}${chosen.length ? " filled" : ""}`}
      onDragOver={(event) => { event.preventDefault(); setOver(true); }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => { event.preventDefault(); setOver(false); add(event.dataTransfer?.files ?? []); }}
    >
      {inputs}
      {chosen.length === 0 ? (
        <>
          <span class="drop-icon"><Icon of={ImagePlus} size={30} /></span>
          <p class="drop-title">{text.create.drop}</p>
          <p class="quiet">{text.create.dropHint}</p>
          <div class="row centre">
            <Button kind="plain" onClick={() => input.current?.click()}>{text.create.choose}</Button>
            <span class="touch-only"><Button kind="quiet" icon={Camera} onClick={() => camera.current?.click()}>{text.create.photograph}</Button></span>
          </div>
        </>
      ) : (
        <>
          <ul class={`chosen${chosen.length === 1 ? " one" : ""}`} aria-label={text.create.chosen}>
            {chosen.map((picture, index) => (
              <li key={picture.url}>
                <Shown picture={picture} />
                <IconButton icon={X} label={fill(text.create.remove, { name: picture.name })} onClick={() => { forget([picture]); onChange(chosen.filter((_, at) => at !== index)); }} />
              </li>
            ))}
          </ul>
          <div class="drop-foot">
            <span class="quiet">{chosen.length === 1 ? chosen[0]!.name : counted(text.create.pictures, chosen.length)}</span>
            <Button small kind="quiet" onClick={() => input.current?.click()}>{text.create.replace}</Button>
          </div>
        </>
      )}
      {left > 0 && <Notice tone="warn" live>{fill(text.create.tooMany, { most: MOST, left })}</Notice>}
    </div>
  );
}

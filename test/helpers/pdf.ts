/** PDF 1.4 written by hand: pages of any size with a line of text on each. */

export type PdfPage = {
  /** In points of 1/72 inch. */
  readonly width: number;
  readonly height: number;
  readonly rotate?: number;
  readonly text?: string;
};

/** `locked`: with an encryption dictionary that no password is known for. */
export function pdfBytes(pages: readonly PdfPage[], { locked = false } = {}): Buffer {
  const kids = pages.map((_, index) => `${4 + 2 * index} 0 R`).join(' ');
  const objects = [
    '<</Type/Catalog/Pages 2 0 R>>',
    `<</Type/Pages/Kids[${kids}]/Count ${pages.length}>>`,
    '<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>',
    ...pages.flatMap(({ width, height, rotate = 0, text = '' }, index) => {
      const drawn = text === '' ? '' : `BT /F 12 Tf 36 36 Td (${text}) Tj ET`;
      const box = `/MediaBox[0 0 ${width} ${height}]/Rotate ${rotate}`;
      return [
        `<</Type/Page/Parent 2 0 R${box}/Contents ${5 + 2 * index} 0 R/Resources<</Font<</F 3 0 R>>>>>>`,
        `<</Length ${drawn.length}>>stream\n${drawn}\nendstream`,
      ];
    }),
    ...(locked ? [LOCK] : []),
  ];
  let body = '%PDF-1.4\n';
  const offsets = objects.map((object, index) => {
    const offset = body.length;
    body += `${index + 1} 0 obj\n${object}\nendobj\n`;
    return offset;
  });
  const size = objects.length + 1;
  const rows = offsets.map((offset) => `${String(offset).padStart(10, '0')} 00000 n \n`).join('');
  const lock = locked ? `/Encrypt ${objects.length} 0 R/ID[<${ZEROS}><${ZEROS}>]` : '';
  const table = `xref\n0 ${size}\n0000000000 65535 f \n${rows}`;
  const trailer = `trailer\n<</Size ${size}/Root 1 0 R${lock}>>\nstartxref\n${body.length}\n%%EOF\n`;
  return Buffer.from(body + table + trailer, 'latin1');
}

const ZEROS = '00'.repeat(16);
const LOCK = `<</Filter/Standard/V 1/R 2/P -4/O<${'11'.repeat(32)}>/U<${'22'.repeat(32)}>>>`;

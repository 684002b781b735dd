/**
 * The `data` of server-sent events, from text that arrives cut anywhere. Comments (the engine's pings)
 * and other fields are left out; several data lines of one event are joined by a line feed.
 */
export function createEventParser(): (text: string) => readonly string[] {
  let rest = '';
  let data: string[] = [];
  return (text) => {
    const events: string[] = [];
    const lines = (rest + text).split(/\r\n|\n/);
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line.startsWith('data:')) data.push(line.slice(line[5] === ' ' ? 6 : 5));
      if (line !== '') continue;
      if (data.length > 0) events.push(data.join('\n'));
      data = [];
    }
    return events;
  };
}

// Requests to the lab. The cookie that the printed address has set goes with each of them.

/** Sends a JSON object; an error is the sentence of the answer. */
export async function post(path, body) {
  const response = await fetch(path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
  if (!response.ok) {
    throw new Error(await sentence(response));
  }
  return response;
}

export async function ask(path, body) {
  return (await post(path, body)).json();
}

export async function get(path) {
  const response = await fetch(path);
  if (!response.ok) {
    throw new Error(await sentence(response));
  }
  return response.json();
}

/** Downloads an export under the name that the lab gives it. */
export async function download(body) {
  const response = await post('/api/export', body);
  const name = /filename="([^"]+)"/.exec(response.headers.get('Content-Disposition'))[1];
  const url = URL.createObjectURL(await response.blob());
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
  return name;
}

async function sentence(response) {
  try {
    return (await response.json()).error.message;
  } catch {
    return `the lab answered with ${response.status}`;
  }
}

/** Calls back with the states of all runs at each change, and with null when the lab has ended. */
export function listen(changed) {
  const events = new EventSource('/api/events');
  events.onmessage = message => changed(JSON.parse(message.data));
  events.onerror = () => changed(null);
}

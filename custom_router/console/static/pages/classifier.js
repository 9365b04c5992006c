export const page = () => ({ element: document.createElement("div") });

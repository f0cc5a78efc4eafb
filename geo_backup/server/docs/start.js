// Every operation to read and to try; for whoever is signed in on the page, what is tried carries the session's word.
let csrf = "";
fetch("/v1/session").then((answer) => answer.json()).then((session) => (csrf = session.csrf ?? ""));

SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  showExtensions: true,
  showCommonExtensions: true,
  validatorUrl: null,
  requestInterceptor: (request) => {
    if (csrf && request.method && request.method !== "GET") request.headers["X-CSRF-Token"] = csrf;
    return request;
  },
});

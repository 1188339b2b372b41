using System.Text.Json;
using Microsoft.AspNetCore.Http;
using PeftCore.Lab.Engine;
using PeftCore.Lab.Exports;
using PeftCore.Models;
using PeftCore.Server.Http;
using Endpoint = PeftCore.Server.Http.Endpoint;

namespace PeftCore.Lab.Http;

/// <summary>The endpoints of the page.</summary>
internal sealed class LabEndpoints
{
    private readonly LabEngine _engine;
    private readonly TransformerModel _model;
    private readonly LabExports _exports;
    private readonly IReadOnlyList<string> _targets;
    private readonly CancellationToken _stop;
    private readonly FieldTable<LabRequest> _create, _run = LabRequest.OfRun(), _train = LabRequest.Train(), _delta = LabRequest.Delta(),
        _attention = LabRequest.Attention(), _tensor = LabRequest.Tensor(), _export = LabRequest.Export(LabExports.Kinds);

    /// <param name="engine">The runs.</param>
    /// <param name="options">What is trained.</param>
    /// <param name="model">The base model as its configuration declares it.</param>
    /// <param name="stop">Ends streams of events.</param>
    public LabEndpoints(LabEngine engine, LabOptions options, TransformerModel model, CancellationToken stop)
    {
        (_engine, _model, _stop, _exports) = (engine, model, stop, new LabExports(options));
        _targets = TargetsOf(model);
        _create = LabRequest.Create(engine.Methods, _targets);
    }

    public IReadOnlyList<Endpoint> All =>
    [
        new("GET", "/", PageFiles.Index),
        new("GET", "/page", PageFiles.File) { TakesName = true },
        new("GET", "/api/lab", Lab),
        new("GET", "/api/events", Events),
        new("POST", "/api/create", Create),
        new("POST", "/api/close", Close),
        new("POST", "/api/train", Train),
        new("POST", "/api/delta", Delta),
        new("POST", "/api/attention", Attention),
        new("POST", "/api/tensors", Tensors),
        new("POST", "/api/tensor", OneTensor),
        new("POST", "/api/export", Export),
    ];

    private Task Lab(HttpContext context, RequestNote note) =>
        JsonBody.Answer(context.Response, 200, writer => StateJson.WriteLab(writer, _engine, _model, _targets));

    private async Task Create(HttpContext context, RequestNote note)
    {
        var request = await Read(context, _create);
        await _engine.Create(request.RunName, request.Settings ?? throw ApiException.Bad("settings", "settings is missing"));
        await Done(context);
    }

    private async Task Close(HttpContext context, RequestNote note)
    {
        await _engine.Close((await Read(context, _run)).RunName);
        await Done(context);
    }

    private async Task Train(HttpContext context, RequestNote note)
    {
        var request = await Read(context, _train);
        await _engine.Train(request.RunName, request.Steps);
        await Done(context);
    }

    private async Task Delta(HttpContext context, RequestNote note)
    {
        var request = await Read(context, _delta);
        string module = request.Module ?? throw ApiException.Bad("module", "module is missing, expected the path of a linear layer");
        var (view, step) = await _engine.On(request.RunName, (run, _) => (run.Delta(module), run.Steps));
        await JsonBody.Answer(context.Response, 200, writer => ViewJson.Write(writer, view, step));
    }

    private async Task Attention(HttpContext context, RequestNote note)
    {
        var request = await Read(context, _attention);
        var (view, step) = await _engine.On(request.RunName, (run, _) => (run.Attention(request.Layer, request.Head), run.Steps));
        await JsonBody.Answer(context.Response, 200, writer => ViewJson.Write(writer, view, request.Layer, request.Head, step));
    }

    private async Task Tensors(HttpContext context, RequestNote note)
    {
        var request = await Read(context, _run);
        var saved = await Saved(request);
        await JsonBody.Answer(context.Response, 200, writer => ViewJson.Write(writer, saved));
    }

    private async Task OneTensor(HttpContext context, RequestNote note)
    {
        var request = await Read(context, _tensor);
        var saved = await Saved(request);
        var tensor = request.Index < saved.All.Count ? saved.All[request.Index]
            : throw ApiException.Bad("index", $"index is {request.Index}, expected a number from 0 to {saved.All.Count - 1}");
        if (tensor.Values.Length == 0)
        {
            throw ApiException.Bad("index", $"{tensor.Traced.Name} holds indices of type {tensor.Traced.DType}, which are not drawn");
        }
        if (!tensor.Values.All(float.IsFinite))
        {
            throw ApiException.Bad("index", $"{tensor.Traced.Name} holds NaN or infinity, which is not drawn");
        }
        await JsonBody.Answer(context.Response, 200, writer => ViewJson.Write(writer, tensor, saved.Step));
    }

    private Task<SavedTensors> Saved(LabRequest request) => _engine.On(request.RunName, (run, _) => run.Saved
        ?? throw new BadInputException("no step is kept to look at: pause the run, or step once"));

    private async Task Export(HttpContext context, RequestNote note)
    {
        var request = await Read(context, _export);
        string kind = request.Kind ?? throw ApiException.Bad("kind",
            $"kind is missing, expected one of {string.Join(", ", LabExports.Kinds)}");
        var file = await _engine.On(request.RunName, (run, state) => _exports.Make(kind, run));
        context.Response.ContentType = file.Type;
        context.Response.ContentLength = file.Bytes.Length;
        context.Response.Headers.ContentDisposition = $"attachment; filename=\"{file.Name}\"";
        await context.Response.Body.WriteAsync(file.Bytes, context.RequestAborted);
    }

    /// <summary>Sends the state of all runs now and after each change. A run's records are sent once; all of them to a page that connects
    /// anew.</summary>
    private async Task Events(HttpContext context, RequestNote note)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, _stop);
        var events = new ServerSentEvents(context.Response);
        events.Begin();
        var sent = new Dictionary<int, (int Records, int Evaluations)>();
        try
        {
            while (true)
            {
                var changed = _engine.Changed;
                var states = _engine.States;
                events.Add(writer => Write(writer, states, sent));
                await events.Flush(end.Token);
                await changed.WaitAsync(end.Token);
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested && !context.RequestAborted.IsCancellationRequested)
        {
            // The page learns from the closed stream that the lab has ended.
        }
    }

    private static void Write(Utf8JsonWriter writer, IReadOnlyList<RunState> states, Dictionary<int, (int Records, int Evaluations)> sent)
    {
        writer.WriteStartArray();
        foreach (var state in states)
        {
            var (records, evaluations) = sent.GetValueOrDefault(state.Id);
            var added = state.Since(records, evaluations);
            StateJson.WriteRun(writer, state, added, records, evaluations);
            sent[state.Id] = (records + added.Records.Length, evaluations + added.Evaluations.Length);
        }
        writer.WriteEndArray();
    }

    private static async Task<LabRequest> Read(HttpContext context, FieldTable<LabRequest> fields)
    {
        using var body = await JsonBody.Read(context.Request);
        return fields.Read(body.RootElement, new LabRequest());
    }

    private static Task Done(HttpContext context) => JsonBody.Answer(context.Response, 200, writer =>
    {
        writer.WriteStartObject();
        writer.WriteBoolean("done", true);
        writer.WriteEndObject();
    });

    /// <summary>Names of the linear layers inside blocks.</summary>
    private static IReadOnlyList<string> TargetsOf(TransformerModel model) =>
        [.. LabRun.ModulesOf(model).Where(path => path.Contains(".layers.", StringComparison.Ordinal))
            .Select(path => path.Split('.')[^1]).Distinct()];
}

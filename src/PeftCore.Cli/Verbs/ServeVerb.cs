using System.Runtime.CompilerServices;
using PeftCore.Cli.Options;
using PeftCore.Cli.Output;
using PeftCore.Cli.Session;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Server;

namespace PeftCore.Cli.Verbs;

/// <summary>Serves a model and its adapters over HTTP, as OpenAI's API does.</summary>
internal sealed class ServeVerb : Verb
{
    private readonly Settings<ServeOptions> _settings = new(SettingRules.Serve);

    public ServeVerb() : base("serve", "Serve a model and any number of adapters over HTTP, as OpenAI's API does.") =>
        _settings.AddTo(this);

    public override VerbResult Run(Invocation call)
    {
        var options = _settings.Read(call);
        AspNetCore.Require(Name);
        return Serve(options, call);
    }

    // Not inlined: the runtime looks for ASP.NET Core's assemblies when it compiles a method that names their types.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static VerbResult Serve(ServeOptions options, Invocation call)
    {
        var settings = options.ToServer();
        var directories = new AdapterDirectories(options.Adapters, options.AdaptersDir);
        using var session = ModelSession.OpenUnloaded(Devices.Open(options.Device, options.Threads, options.Limits?.For(options.Device),
            options.Dtype), options.Model, warn: call.Terminal.Warn, rows: options.ResizeTokenEmbeddings, task: TaskOf(options),
            quantization: options.Quantization.ToOptions());
        if (!session.ReadsText || session.HearsSpeech)
        {
            throw new BadInputException($"{session.Directory}: this {session.Declared.ModelType} model is for " +
                $"{TaskNames.Of(session.Declared.Task)}; serve answers with text or embeddings, so choose a model of text.");
        }
        string name = options.ServedModelName ?? Path.GetFileName(Path.TrimEndingDirectorySeparator(RealPath.Of(session.Directory)));
        directories.Check(name);
        bool writes = session.Declared.Task is ModelTask.CausalLm or ModelTask.Seq2SeqLm;
        session.TellOfTokenizer(call, generates: writes);
        var served = new ServedModel(name, session.Directory, session.Model, session.Backend, session.Tokenizer)
        {
            Defaults = Generation(options, session, call.Terminal.Note),
            Template = options.ChatTemplate is { } template ? NamedTemplate.Find(session.Tokenizer, template)
                : session.Tokenizer.ChatTemplate,
        };
        var server = new ApiServer(settings, served, directories, options.MaxLoadedAdapters, call.Terminal.Error);
        string? url = null;
        var counts = server.Run(address => call.Say($"listening on {url = address}"), call.Stop).GetAwaiter().GetResult();
        call.Say($"stopped after {counts.Answered + counts.Failed} requests, {counts.Failed} of them refused or failed");
        // The server runs until it is told to stop: exit code 130 or 143 by the signal.
        return VerbResult.Failed(new JsonReport().Add("url", url).Add("requests", counts.Answered + counts.Failed)
            .Add("failed", counts.Failed).Add("new_tokens", counts.NewTokens));
    }

    /// <summary>What the model is loaded for: a model that writes text for that, other models of text to embed texts.</summary>
    private static TaskOptions? TaskOf(ServeOptions options) =>
        options.Model is { } model && IsEncoder(ModelLoader.Declare(ModelDirectory.Open(model).OpenConfig()).Task)
            ? new TaskOptions { Task = ModelTask.FeatureExtraction } : null;

    private static bool IsEncoder(ModelTask task) => task is ModelTask.MaskedLm or ModelTask.FeatureExtraction
        or ModelTask.SequenceClassification or ModelTask.TokenClassification or ModelTask.QuestionAnswering;

    /// <summary>What the model's files set for every request, such as the tokens that end a text.</summary>
    private static Models.Generation.GenerationOptions Generation(ServeOptions options, ModelSession session, Action<string> tell)
    {
        var model = Models.Generation.GenerationOptions.FromModel(session.Directory, ["num_beams", "num_return_sequences",
            "length_penalty", "early_stopping", "max_length", "max_new_tokens"], tell);
        return model with
        {
            StopTokens = [.. model.StopTokens.Concat(session.Tokenizer.StopIds).Distinct()],
            KvCacheDType = SamplingOptions.CacheDType(options.KvCacheDtype),
        };
    }
}

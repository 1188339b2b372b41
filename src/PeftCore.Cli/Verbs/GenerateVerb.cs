using System.Diagnostics;
using System.Globalization;
using PeftCore.Cli.Options;
using PeftCore.Cli.Output;
using PeftCore.Cli.Session;

namespace PeftCore.Cli.Verbs;

/// <summary>Generates the continuation of a text.</summary>
internal sealed class GenerateVerb : Verb
{
    private readonly Settings<SamplingOptions> _settings = new(SettingRules.Generate);

    public GenerateVerb() : base("generate", "Continue a text.") => _settings.AddTo(this);

    public override VerbResult Run(Invocation call)
    {
        var options = _settings.Read(call);
        string prompt = options.Prompt ?? throw new BadInputException("expected --prompt TEXT, the text to go on from.");
        using var session = ModelSession.Open(Devices.Open(options.Device, compute: options.Dtype), options.Model, warn: call.Terminal.Warn,
            rows: options.ResizeTokenEmbeddings).WithAdapters(options.Adapters, call);
        session.TellOfTokenizer(call, generates: true);
        call.Note(session.TaskNote(options));
        var generation = new TextGeneration(session, options.TaskId);
        var clock = Stopwatch.StartNew();
        var people = call.Terminal.Json ? call.Terminal.Error : call.Terminal.Output;
        people.Write(prompt);
        var result = generation.Continue(prompt, options.ToGeneration(), piece => people.Write(piece), call.Stop);
        people.WriteLine();
        double rate = result.Tokens.Count / clock.Elapsed.TotalSeconds;
        call.Terminal.Note(string.Create(CultureInfo.InvariantCulture,
            $"{result.Tokens.Count} tokens, {rate:N0} tok/s, ended by {result.Reason}"));
        if (result.Notice is { } notice)
        {
            call.Terminal.Note(notice);
        }
        return VerbResult.Done(new JsonReport().Add("prompt", prompt).Add("text", result.Text).Add("tokens", result.Tokens.Count)
            .Add("token_ids", string.Join(' ', result.Tokens)).Add("finish_reason", result.Reason.ToString()).Add("tok_s", rate));
    }
}

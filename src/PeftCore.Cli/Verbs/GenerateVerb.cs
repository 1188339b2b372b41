using System.Diagnostics;
using PeftCore.Cli.Options;
using PeftCore.Cli.Output;
using PeftCore.Cli.Session;
using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Models.Generation;

namespace PeftCore.Cli.Verbs;

/// <summary>Generates the continuation of a text, or what else a model makes of one input.</summary>
internal sealed class GenerateVerb : Verb
{
    private readonly Settings<SamplingOptions> _settings = new(SettingRules.Generate);

    public GenerateVerb() : base("generate", "Continue a text, write the target of a source text, transcribe a recording, classify a " +
        "picture or draw one, or tag the words of a page.") => _settings.AddTo(this);

    public override VerbResult Run(Invocation call)
    {
        var options = PromptInput.Resolve(_settings.Read(call), call.Terminal);
        if (options.Image is { } picture)
        {
            return PictureClasses.Of(picture, options, call);
        }
        if (options.Page is { } page)
        {
            return PageTags.Of(page, options, call);
        }
        if (options.Audio is { } recording)
        {
            return Transcribe(recording, options, call);
        }
        if (options.OutputDir is { } output)
        {
            return DrawnPictures.To(output, options, call);
        }
        string prompt = PromptInput.Required(options, call.Terminal);
        using var session = ModelSession.OpenUnloaded(Devices.Open(options.Device, limit: options.Limits?.For(options.Device),
            compute: options.Dtype), options.Model, warn: call.Terminal.Warn, rows: options.ResizeTokenEmbeddings,
            task: TaskChoice.Of(null, options.Adapters), quantization: options.Quantization.ToOptions())
            .RequireText();
        var chosen = options.ToGeneration(session.Directory, call.Terminal.Note);
        if (options.Limits is not null)
        {
            int tokens = session.Tokenizer.Encode(prompt).Ids.Count();
            session.Within(new PassPlan(options.Limits, options.Device), options.Adapters,
                PassPlan.Decoding(tokens, tokens + chosen.MaxNewTokens, chosen.NumBeams, chosen.KvCacheDType), refuses: true);
        }
        session.WithAdapters(options.Adapters, call).TellOfTokenizer(call, generates: true);
        call.Note(session.TaskNote(options));
        var generation = new TextGeneration(session, options.TaskId);
        var clock = Stopwatch.StartNew();
        var people = call.Terminal.Json ? call.Terminal.Error : call.Terminal.Output;
        // A decoder's text goes on from the prompt; that of an encoder-decoder is a text of its own.
        string before = session.Model.Base.Task == ModelTask.Seq2SeqLm ? "" : prompt;
        people.Write(before);
        var timer = new TokenTimer(() => clock.Elapsed);
        var result = generation.Continue(prompt, chosen, Show, call.Stop);
        if (chosen.NumBeams > 1)
        {
            timer.CountAtEnd(result.Tokens.Count);
        }
        people.WriteLine();
        call.Stop.ThrowIfCancellationRequested();
        foreach (var other in result.Alternatives)
        {
            people.WriteLine(before + other.Text);
        }
        call.Terminal.Note($"{timer.Text(result.Tokens.Count, generation.PromptTokens)}; ended by {result.Reason}");
        if (result.Notice is { } notice)
        {
            call.Terminal.Note(notice);
        }
        var report = Describe(new JsonReport().Add("prompt", prompt), result)
            .Add("prompt_tokens", generation.PromptTokens).Add("tok_s", timer.Rate).Add("first_token_s", timer.FirstToken);
        return VerbResult.Done(result.Alternatives.Count == 0 ? report
            : report.Add("alternatives", result.Alternatives.Select(other => Describe(new JsonReport(), other))));

        void Show(string piece)
        {
            timer.Count();
            people.Write(piece);
        }
    }

    /// <summary>Writes what is said in a recording.</summary>
    private static VerbResult Transcribe(string recording, SamplingOptions options, Invocation call)
    {
        using var session = ModelSession.OpenUnloaded(Devices.Open(options.Device, limit: options.Limits?.For(options.Device),
            compute: options.Dtype), options.Model, warn: call.Terminal.Warn, rows: options.ResizeTokenEmbeddings,
            task: TaskChoice.Of(null, options.Adapters), quantization: options.Quantization.ToOptions()).RequireSpeech();
        if (options.Spectrogram is { } drawing)
        {
            SpectrogramPlot.Draw(drawing, recording, WavFile.Read(recording));
        }
        session.WithAdapters(options.Adapters, call).TellOfTokenizer(call);
        var speech = new SpeechOptions
        {
            Language = options.Language,
            Translate = options.Translate,
            Timestamps = options.Timestamps,
        };
        var clock = Stopwatch.StartNew();
        string text = new Transcriber(session.Model.Base, session.Sound, session.Tokenizer)
            .Transcribe(recording, speech, options.ToGeneration(session.Directory, call.Terminal.Note), call.Stop);
        call.Say(text);
        call.Terminal.Note(FormattableString.Invariant($"{recording}: {clock.Elapsed.TotalSeconds:0.0} s"));
        return VerbResult.Done(new JsonReport().Add("audio", recording).Add("text", text));
    }

    private static JsonReport Describe(JsonReport report, GenerationResult text) => report.Add("text", text.Text)
        .Add("tokens", text.Tokens.Count).Add("token_ids", text.Tokens).Add("finish_reason", text.Reason.ToString());
}

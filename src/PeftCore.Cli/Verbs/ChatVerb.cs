using System.Text;
using PeftCore.Cli.Options;
using PeftCore.Cli.Output;
using PeftCore.Cli.Session;
using PeftCore.Tokenizers;

namespace PeftCore.Cli.Verbs;

/// <summary>Answers a conversation: each line of standard input is one turn of the user.</summary>
internal sealed class ChatVerb : Verb
{
    private readonly Settings<SamplingOptions> _settings = new(SettingRules.Chat);

    public ChatVerb() : base("chat", "Talk with a model; an empty line or end of input ends it.") => _settings.AddTo(this);

    /// <summary>Tokens of a conversation that the memory of a limited device is planned for, and as many of answers.</summary>
    private const int UsualPrompt = 512;

    public override VerbResult Run(Invocation call)
    {
        var options = _settings.Read(call);
        if (options.Prompt == PromptInput.Standard)
        {
            throw new BadInputException("--prompt is \"-\", but chat reads what the user says from standard input; write out what the " +
                "system says.");
        }
        using var session = ModelSession.OpenUnloaded(Devices.Open(options.Device, limit: options.Limits?.For(options.Device),
            compute: options.Dtype), options.Model, warn: call.Terminal.Warn, rows: options.ResizeTokenEmbeddings,
            task: TaskChoice.Of(null, options.Adapters), quantization: options.Quantization.ToOptions())
            .RequireText().Within(new PassPlan(options.Limits, options.Device), options.Adapters,
                PassPlan.Decoding(UsualPrompt, 2 * UsualPrompt, batch: 1), refuses: false).WithAdapters(options.Adapters, call);
        session.TellOfTokenizer(call, generates: true);
        call.Note(session.TaskNote(options));
        var template = TemplateOf(session, options);
        var generation = new TextGeneration(session, options.TaskId);
        var chosen = options.ToGeneration(session.Directory, call.Terminal.Note) with { NumReturnSequences = 1 };
        var people = call.Terminal.Json ? call.Terminal.Error : call.Terminal.Output;
        List<ChatMessage> messages = options.Prompt is { } system ? [new("system", system)] : [];
        while (ReadTurn(call) is { Length: > 0 } turn)
        {
            messages.Add(new ChatMessage("user", turn));
            string prompt = session.Tokenizer.RenderChat(messages, addGenerationPrompt: true, template);
            var reply = generation.Continue(prompt, chosen, piece => people.Write(piece), call.Stop, isRendered: true);
            people.WriteLine();
            call.Stop.ThrowIfCancellationRequested();
            messages.Add(new ChatMessage("assistant", reply.Text));
        }
        return VerbResult.Done(new JsonReport().Add("messages",
            messages.Select(message => new JsonReport().Add("role", message.Role).Add("content", message.Content))));
    }

    private string? ReadTurn(Invocation call)
    {
        if (call.Terminal.Interactive)
        {
            call.Terminal.Error.Write("> ");
        }
        // In a thread of its own, so that Ctrl-C ends the wait for a line.
        var line = Task.Run(() => PromptInput.Read(call.Terminal.Input.ReadLine));
        return line.WaitAsync(call.Stop).GetAwaiter().GetResult()?.Normalize(NormalizationForm.FormC).Trim();
    }

    private static ChatTemplate TemplateOf(ModelSession session, SamplingOptions options)
    {
        if (options.ChatTemplate is { } name)
        {
            return NamedTemplate.Find(session.Tokenizer, name);
        }
        return session.Tokenizer.ChatTemplate ?? throw new BadInputException(
            $"{session.Directory}: the model has no chat template; choose one with --chat-template " +
            $"({string.Join(", ", ChatTemplate.BuiltInNames)}), or use generate.");
    }
}

using System.Text.RegularExpressions;
using Microsoft.Extensions.AI;
using PeftCore.Models;
using PeftCore.Models.Generation;
using PeftCore.Tokenizers;
using ChatMessage = Microsoft.Extensions.AI.ChatMessage;

namespace PeftCore.Extensions.AI.Chat;

/// <summary>Reads messages and options as a request to a model. What is not supported is refused by name.</summary>
internal sealed partial class ChatRequestReader
{
    private readonly Tokenizer _tokenizer;
    private readonly ChatTemplate? _template;
    private readonly GenerationOptions _defaults;
    private readonly GenerationOptions _withoutLength;
    private readonly string _model;
    private readonly bool _isEncoded;

    /// <summary>Reads what the model directory says of generation.</summary>
    /// <param name="model">The model.</param>
    /// <param name="tell">Receives a sentence about fields that are used, and one about those without effect.</param>
    /// <exception cref="BadInputException">A file is damaged, or there is no template of the name.</exception>
    public ChatRequestReader(PeftCoreModel model, Action<string> tell)
    {
        (_tokenizer, _model, _isEncoded) = (model.Tokenizer, model.ModelId, model.Model.Base.Task == ModelTask.Seq2SeqLm);
        _template = ChatTemplates.Chosen(model);
        _withoutLength = FromFiles(model.Directory, ["max_new_tokens", "max_length"], null);
        var files = FromFiles(model.Directory, [], tell);
        int? most = (model.Options as PeftCoreChatOptions)?.MaxOutputTokens;
        _defaults = most is { } tokens ? _withoutLength with { MaxNewTokens = tokens } : files;
    }

    /// <summary>Reads a request.</summary>
    /// <param name="messages">The conversation.</param>
    /// <param name="options">Its options; null for the defaults.</param>
    /// <param name="client">The client, which a factory of raw options is given.</param>
    /// <exception cref="BadInputException">Something is invalid or not supported.</exception>
    public ChatRequest Read(IEnumerable<ChatMessage> messages, ChatOptions? options, IChatClient client)
    {
        options ??= new ChatOptions();
        ChatOptionChecks.Refuse(options);
        var tools = ChatOptionChecks.ToolsOf(options);
        var variables = ToolSchemas.VariablesOf(options.AdditionalProperties, tools);
        var template = _template ?? _tokenizer.FindTemplate(tools.Count > 0) ?? throw new BadInputException(
            $"{_model} has no chat template; name one in {nameof(PeftCoreChatOptions)}.{nameof(PeftCoreChatOptions.ChatTemplate)}: " +
            string.Join(", ", ChatTemplate.BuiltInNames));
        if (tools.Count > 0 && !Tools().IsMatch(template.Source))
        {
            throw new BadInputException($"the chat template of {_model} does not read tools; leave them out, or use a model that does");
        }
        var turns = ChatTurns.Of(messages, options.Instructions);
        string text = _tokenizer.RenderChat(turns, addGenerationPrompt: true, template, variables);
        // The template writes the special tokens of a decoder; the text of an encoder has those that the tokenizer adds.
        int[] prompt = _tokenizer.Encode(text, addSpecialTokens: _isEncoded).Ids;
        return new ChatRequest(prompt, GenerationOf(options, client), tools, tools.Count > 0 ? ToolCallFormat.Of(template.Source) : null);
    }

    private GenerationOptions GenerationOf(ChatOptions options, IChatClient client)
    {
        var generation = options.RawRepresentationFactory?.Invoke(client) switch
        {
            null => options.MaxOutputTokens is { } most ? _withoutLength with { MaxNewTokens = most } : _defaults,
            GenerationOptions raw => options.MaxOutputTokens is { } most ? raw with { MaxNewTokens = most } : raw,
            var other => throw new BadInputException($"RawRepresentationFactory gives {other.GetType().Name}, expected " +
                nameof(GenerationOptions)),
        };
        generation = generation with
        {
            Temperature = options.Temperature ?? generation.Temperature,
            TopP = options.TopP ?? generation.TopP,
            TopK = options.TopK ?? generation.TopK,
            StopStrings = [.. generation.StopStrings, .. options.StopSequences ?? []],
            StopTokens = [.. generation.StopTokens, .. _tokenizer.StopIds],
        };
        if (generation.Temperature == 0 && (options.TopP is not (null or 1) || options.TopK is not (null or 0)))
        {
            throw new BadInputException("TopP and TopK choose among the likeliest tokens of a sample, but without a Temperature above 0 " +
                "the likeliest is taken; set Temperature");
        }
        return options.Seed is { } seed ? generation with { Seed = unchecked((ulong)seed) }
            : generation.Temperature > 0 && options.RawRepresentationFactory is null
                ? generation with { Seed = unchecked((ulong)Random.Shared.NextInt64()) } : generation;
    }

    private static GenerationOptions FromFiles(string? directory, IReadOnlyCollection<string> given, Action<string>? tell) =>
        directory is null ? new GenerationOptions() : GenerationOptions.FromModel(directory, given, tell);

    [GeneratedRegex(@"\btools\b")]
    private static partial Regex Tools();
}

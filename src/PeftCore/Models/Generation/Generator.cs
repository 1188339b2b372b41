using PeftCore.Backends;
using PeftCore.Tokenizers;

namespace PeftCore.Models.Generation;

/// <summary>Generates text with a causal model and its active adapters.</summary>
public sealed class Generator
{
    private readonly CausalModel _model;
    private readonly Backend _backend;

    /// <summary>Creates a generator for a model.</summary>
    /// <exception cref="BadInputException">The model does not generate text.</exception>
    public Generator(TransformerModel model, Backend backend) => (_model, _backend) = (CausalModel.Of(model), backend);

    /// <summary>Generates text after a prompt. Unless the options name stop tokens, the tokenizer's end-of-text tokens end it.</summary>
    /// <param name="prompt">The prompt.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="options">Sampling and stopping; null for the defaults.</param>
    /// <param name="onToken">Called with each token; in beam search, with those of the best text at the end.</param>
    /// <param name="cancel">Ends the text after the current token.</param>
    /// <exception cref="BadInputException">The prompt is empty or does not fit the model, or an option is out of range.</exception>
    public GenerationResult Generate(string prompt, Tokenizer tokenizer, GenerationOptions? options = null,
        Action<GeneratedToken>? onToken = null,
        CancellationToken cancel = default)
    {
        options = WithStops(options ?? new GenerationOptions(), tokenizer);
        return Generate(Encode(prompt, tokenizer), options, tokens => tokenizer.Decode([.. tokens]), onToken, cancel);
    }

    /// <summary>The options with the tokenizer's end-of-text tokens, unless they name stop tokens.</summary>
    internal static GenerationOptions WithStops(GenerationOptions options, Tokenizer tokenizer) =>
        options.StopTokens.Count > 0 ? options : options with { StopTokens = [.. tokenizer.StopIds] };

    /// <summary>The tokens of a prompt, without the end-of-text token that some tokenizers append.</summary>
    internal static int[] Encode(string prompt, Tokenizer tokenizer)
    {
        int[] ids = [.. tokenizer.Encode(prompt).Ids];
        return ids.Length > 1 && ids[^1] == tokenizer.EosId ? ids[..^1] : ids;
    }

    /// <summary>Generates tokens after a prompt.</summary>
    /// <param name="prompt">The tokens of the prompt, at least one.</param>
    /// <param name="options">Sampling and stopping; null for the defaults.</param>
    /// <param name="decode">Decodes tokens to text; null for tokens only.</param>
    /// <param name="onToken">Called with each token; in beam search, with those of the best text at the end.</param>
    /// <param name="cancel">Ends the text after the current token.</param>
    /// <exception cref="BadInputException">The prompt is empty, does not fit the model's context or vocabulary, or an option is out of
    /// range.</exception>
    public GenerationResult Generate(ReadOnlySpan<int> prompt, GenerationOptions? options = null, Func<IReadOnlyList<int>, string>? decode =
        null,
        Action<GeneratedToken>? onToken = null, CancellationToken cancel = default)
    {
        var request = Request(_model, prompt.ToArray(), options ?? new GenerationOptions(), decode) with { OnToken = onToken };
        return Run(_model, _backend, [request], cancel)[0];
    }

    /// <summary>A checked request for a text after a prompt.</summary>
    /// <exception cref="BadInputException">The prompt does not fit the model, or an option is out of range.</exception>
    internal static TextRequest Request(CausalModel model, int[] prompt, GenerationOptions options,
        Func<IReadOnlyList<int>, string>? decode)
    {
        options.Check(canDecode: decode is not null, model.VocabularySize);
        CheckPrompt(model, prompt);
        var request = new TextRequest(prompt, options, RoomOf(model) - prompt.Length, decode)
        {
            ContextNotice = generated => $"the text ends after {generated} tokens because the model's context of {model.MaxLength} is " +
                $"full, {prompt.Length} of it taken by the prompt",
        };
        request.CheckLengths();
        return request;
    }

    /// <summary>Generates texts with one batch of sequences, in evaluation mode.</summary>
    internal static IReadOnlyList<GenerationResult> Run(CausalModel model, Backend backend, IReadOnlyList<TextRequest> requests,
        CancellationToken cancel)
    {
        bool training = model.Mode.Training;
        model.Mode.Training = false;
        try
        {
            var options = requests[0].Options;
            using var decoder = new CachedDecoder(model, backend, requests.Max(request => request.Prompt.Length + request.MaxNewTokens),
                options.KvCacheDType, requests.Count, requests.Count * options.NumBeams);
            return StepGeneration.Run(decoder, requests, cancel);
        }
        finally
        {
            model.Mode.Training = training;
        }
    }

    internal static void CheckPrompt(CausalModel model, ReadOnlySpan<int> prompt)
    {
        if (prompt.IsEmpty)
        {
            throw new BadInputException("the prompt has no tokens; give some text, or a tokenizer that puts a token before every text");
        }
        foreach (int token in prompt)
        {
            if ((uint)token >= (uint)model.VocabularySize)
            {
                throw new BadInputException(
                    $"the prompt holds token {token}, but the model's vocabulary has {model.VocabularySize}; the tokenizer belongs to " +
                    "another model");
            }
        }
        if (prompt.Length >= RoomOf(model))
        {
            throw new BadInputException(
                $"the prompt has {prompt.Length} tokens, but the model's context holds {RoomOf(model)} and must leave room for an " +
                "answer; shorten the prompt");
        }
    }

    /// <summary>Maximum tokens of a sequence besides virtual ones.</summary>
    private static int RoomOf(CausalModel model) => model.MaxLength - (model.VirtualTokens?.Count ?? 0);
}

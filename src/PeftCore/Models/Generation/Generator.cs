using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Tokenizers;

namespace PeftCore.Models.Generation;

/// <summary>Generates text with a causal model or an encoder-decoder and the adapters of the call. The prompt of an encoder-decoder is the
/// source text, and the text is the target. Any number of threads may use one generator.</summary>
/// <example>
/// <code>
/// using var backend = new CpuBackend();
/// using var model = ModelLoader.Load(modelDirectory, backend);
/// var tokenizer = Tokenizer.FromDirectory(modelDirectory);
/// var options = new GenerationOptions { MaxNewTokens = 20, Temperature = 0.8f, TopP = 0.95f, Seed = 1 };
/// var answer = new Generator(model, backend).Generate("Once upon a time", tokenizer, options);
/// Console.WriteLine(answer.Text);
/// </code>
/// </example>
public sealed class Generator
{
    private readonly TransformerModel _model;
    private readonly Backend _backend;

    /// <summary>Creates a generator for a model.</summary>
    /// <exception cref="BadInputException">The model does not generate text.</exception>
    public Generator(TransformerModel model, Backend backend) => (_model, _backend) = (Checked(model), backend);

    /// <summary>Generates text after a prompt. Unless the options name stop tokens, the tokenizer's end-of-text tokens end it.</summary>
    /// <param name="prompt">The prompt.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="options">Sampling and stopping; null for the defaults.</param>
    /// <param name="onToken">Called with each token and the new text; in beam search, with those of the best text at the end. Incomplete
    /// characters and possible beginnings of stop strings are held back until later tokens decide.</param>
    /// <param name="adapter">The adapter that the text is generated with, or <see cref="Peft.PeftModel.NoAdapter"/> for none; null for
    /// those of the enclosing <see cref="Peft.PeftModel.WithAdapters"/>, else for the active ones.</param>
    /// <param name="cancel">Ends the text after the current token.</param>
    /// <exception cref="BadInputException">The prompt is empty or does not fit the model, an option is out of range, or there is no such
    /// adapter.</exception>
    public GenerationResult Generate(string prompt, Tokenizer tokenizer, GenerationOptions? options = null,
        Action<int, string>? onToken = null, string? adapter = null, CancellationToken cancel = default)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        options = WithStops(options ?? new GenerationOptions(), tokenizer);
        return Generate(Encode(_model, prompt, tokenizer), options, tokens => tokenizer.Decode([.. tokens]), onToken, adapter, cancel);
    }

    /// <summary>The options with the tokenizer's end-of-text tokens, unless they name stop tokens.</summary>
    internal static GenerationOptions WithStops(GenerationOptions options, Tokenizer tokenizer) =>
        options.StopTokens.Count > 0 ? options : options with { StopTokens = [.. tokenizer.StopIds] };

    /// <summary>The model, which must generate text.</summary>
    /// <exception cref="BadInputException">It has another task.</exception>
    internal static TransformerModel Checked(TransformerModel model) => model is Seq2SeqModel ? Seq2SeqModel.Of(model)
        : CausalModel.Of(model);

    /// <summary>The tokens of a prompt. A decoder's has no end-of-text token, which some tokenizers append; an encoder's text ends with
    /// it.</summary>
    internal static int[] Encode(TransformerModel model, string prompt, Tokenizer tokenizer)
    {
        int[] ids = [.. tokenizer.Encode(prompt).Ids];
        return model is not Seq2SeqModel && ids.Length > 1 && ids[^1] == tokenizer.EosId ? ids[..^1] : ids;
    }

    /// <summary>Generates tokens after a prompt.</summary>
    /// <param name="prompt">The tokens of the prompt, at least one.</param>
    /// <param name="options">Sampling and stopping; null for the defaults.</param>
    /// <param name="decode">Decodes tokens to text; null for tokens only.</param>
    /// <param name="onToken">Called with each token and the new text, which is empty without a decoder; in beam search, with those of the
    /// best text at the end.</param>
    /// <param name="adapter">As in the other overload.</param>
    /// <param name="cancel">Ends the text after the current token.</param>
    /// <exception cref="BadInputException">The prompt is empty, does not fit the model's context or vocabulary, an option is out of range,
    /// or there is no such adapter.</exception>
    public GenerationResult Generate(ReadOnlySpan<int> prompt, GenerationOptions? options = null, Func<IReadOnlyList<int>, string>? decode =
        null,
        Action<int, string>? onToken = null, string? adapter = null, CancellationToken cancel = default)
    {
        int[] tokens = prompt.ToArray();
        return _model.RunCall(adapter, () =>
        {
            var request = Request(_model, tokens, options ?? new GenerationOptions(), decode) with { OnToken = onToken };
            return Run(_model, _backend, [request], cancel)[0];
        });
    }

    /// <summary>A checked request for a text after a prompt.</summary>
    /// <exception cref="BadInputException">The prompt does not fit the model, or an option is out of range.</exception>
    internal static TextRequest Request(TransformerModel model, int[] prompt, GenerationOptions options,
        Func<IReadOnlyList<int>, string>? decode)
    {
        options.Check(canDecode: decode is not null, model.VocabularySize);
        CheckPrompt(model, prompt);
        var request = model is Seq2SeqModel encoderDecoder ? TargetRequest(encoderDecoder, prompt, options, decode)
            : new TextRequest(prompt, options, RoomOf(model) - prompt.Length, decode)
            {
                ContextNotice =
                generated => $"the text ends after {generated} tokens because the model's context of {model.MaxLength} is " +
                    $"full, {prompt.Length} of it taken by the prompt",
            };
        request.CheckLengths();
        return request;
    }

    /// <summary>A request for a target text, which begins with a start token.</summary>
    private static TextRequest TargetRequest(Seq2SeqModel model, int[] source, GenerationOptions options,
        Func<IReadOnlyList<int>, string>? decode)
    {
        int start = options.DecoderStartTokenId ?? model.DecoderStartToken;
        int prefix = model.VirtualTokens is { } before ? before.Count - before.ReadCount : 0;
        return new TextRequest([start], options, model.MaxLength - prefix - 1, decode)
        {
            EncoderIds = source,
            ContextNotice = generated => $"the text ends after {generated} tokens because the model's target texts have no more than " +
                $"{model.MaxLength}",
        };
    }

    /// <summary>Generates texts with one batch of sequences, in evaluation mode.</summary>
    internal static IReadOnlyList<GenerationResult> Run(TransformerModel model, Backend backend, IReadOnlyList<TextRequest> requests,
        CancellationToken cancel)
    {
        using var evaluation = new EvalModeScope(model.Mode);
        using var decoder = NewDecoder(model, backend, requests);
        return StepGeneration.Run(decoder, requests, cancel);
    }

    private static IStepDecoder NewDecoder(TransformerModel model, Backend backend, IReadOnlyList<TextRequest> requests)
    {
        var options = requests[0].Options;
        int capacity = requests.Max(request => request.Prompt.Length + request.MaxNewTokens), largest = requests.Count * options.NumBeams;
        return model is Seq2SeqModel encoderDecoder
            ? new Seq2SeqDecoder(encoderDecoder, backend, SourcesOf(encoderDecoder, requests), capacity, options.KvCacheDType, largest)
            : new CachedDecoder(model, backend, capacity, options.KvCacheDType, requests.Count, largest);
    }

    private static InputArrays SourcesOf(Seq2SeqModel model, IReadOnlyList<TextRequest> requests) => requests[0].Sound is null
        ? Seq2SeqDecoder.Padded([.. requests.Select(request => request.EncoderIds!)], model.PadToken)
        : Seq2SeqDecoder.Joined([.. requests.Select(request => request.Sound!)]);

    internal static void CheckPrompt(TransformerModel model, ReadOnlySpan<int> prompt)
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
        if (model is Seq2SeqModel)
        {
            return; // The encoder checks its length, and the target text has a place of its own.
        }
        if (prompt.Length >= RoomOf(model))
        {
            throw new BadInputException(
                $"the prompt has {prompt.Length} tokens, but the model's context holds {RoomOf(model)} and must leave room for an " +
                "answer; shorten the prompt");
        }
    }

    /// <summary>Maximum tokens of a sequence besides virtual ones.</summary>
    private static int RoomOf(TransformerModel model) => model.MaxLength - (model.VirtualTokens?.Count ?? 0);
}

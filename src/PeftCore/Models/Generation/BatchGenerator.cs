using PeftCore.Backends;
using PeftCore.Tokenizers;

namespace PeftCore.Models.Generation;

/// <summary>Generates the texts of many prompts, several at once, with the tokens that each would have alone. Used to score generated
/// labels.</summary>
/// <param name="model">The model, with its active adapters.</param>
/// <param name="backend">The device of the model.</param>
/// <param name="sequences">Maximum sequences at once; beam search takes <c>num_beams</c> of them a prompt.</param>
/// <exception cref="BadInputException">The model does not generate text.</exception>
internal sealed class BatchGenerator(TransformerModel model, Backend backend, int sequences = 32)
{
    private readonly TransformerModel _model = Generator.Checked(model);

    /// <summary>Generates texts after prompts, in their order.</summary>
    /// <param name="prompts">The prompts.</param>
    /// <param name="tokenizer">The model's tokenizer, whose end-of-text tokens end a text unless the options name stop tokens.</param>
    /// <param name="options">Sampling and stopping; null for the defaults.</param>
    /// <param name="cancel">Ends the generation.</param>
    /// <exception cref="BadInputException">A prompt is empty or does not fit the model, or an option is out of range.</exception>
    public IReadOnlyList<string> Generate(IReadOnlyList<string> prompts, Tokenizer tokenizer, GenerationOptions? options = null,
        CancellationToken cancel = default)
    {
        options = Generator.WithStops(options ?? new GenerationOptions(), tokenizer);
        int[][] ids = [.. prompts.Select(prompt => Generator.Encode(_model, prompt, tokenizer))];
        return [.. Generate(ids, options, tokens => tokenizer.Decode([.. tokens]), cancel).Select(result => result.Text)];
    }

    /// <summary>Generates tokens after prompts, in their order.</summary>
    /// <param name="prompts">The tokens of each prompt.</param>
    /// <param name="options">Sampling and stopping.</param>
    /// <param name="decode">Decodes tokens to text; null for tokens only.</param>
    /// <param name="cancel">Ends the generation.</param>
    /// <exception cref="BadInputException">A prompt is empty or does not fit the model, or an option is out of range.</exception>
    /// <exception cref="OperationCanceledException">Cancelled: no prompt has a part of a text.</exception>
    public IReadOnlyList<GenerationResult> Generate(IReadOnlyList<int[]> prompts, GenerationOptions options,
        Func<IReadOnlyList<int>, string>? decode = null, CancellationToken cancel = default)
    {
        List<TextRequest> requests = [.. prompts.Select(prompt => Generator.Request(_model, prompt, options, decode))];
        var results = new GenerationResult[prompts.Count];
        // Prompts of about one length: what a longer one has more is read token by token.
        var order = Enumerable.Range(0, prompts.Count).OrderBy(at => prompts[at].Length);
        foreach (int[] batch in order.Chunk(Math.Max(1, sequences / options.NumBeams)))
        {
            var texts = Generator.Run(_model, backend, [.. batch.Select(at => requests[at])], cancel);
            cancel.ThrowIfCancellationRequested();
            foreach (var (at, text) in batch.Zip(texts))
            {
                results[at] = text;
            }
        }
        return results;
    }
}

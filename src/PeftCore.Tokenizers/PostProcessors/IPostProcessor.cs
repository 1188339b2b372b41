namespace PeftCore.Tokenizers;

/// <summary>The step that puts special tokens around one or two encoded sequences.</summary>
internal interface IPostProcessor
{
    /// <summary>The special tokens that are put around sequences, with their ids.</summary>
    IEnumerable<(string Token, int Id)> SpecialTokens => [];

    /// <summary>Returns parts that make up the result when put one after the other.</summary>
    IReadOnlyList<Encoding> Process(IReadOnlyList<Encoding> sequences, bool addSpecialTokens);
}

/// <summary>A sequence of post-processors.</summary>
internal sealed class PostProcessorSequence(IReadOnlyList<IPostProcessor> steps) : IPostProcessor
{
    public IEnumerable<(string Token, int Id)> SpecialTokens => steps.SelectMany(step => step.SpecialTokens);

    public IReadOnlyList<Encoding> Process(IReadOnlyList<Encoding> sequences, bool addSpecialTokens) =>
        steps.Aggregate(sequences, (parts, step) => step.Process(parts, addSpecialTokens));
}

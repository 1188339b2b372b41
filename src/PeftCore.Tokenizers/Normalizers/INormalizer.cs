namespace PeftCore.Tokenizers;

/// <summary>The step that rewrites a text before it is cut.</summary>
internal interface INormalizer
{
    AlignedText Apply(AlignedText text);
}

/// <summary>A sequence of normalizers.</summary>
internal sealed class NormalizerSequence(IReadOnlyList<INormalizer> steps) : INormalizer
{
    public AlignedText Apply(AlignedText text) => steps.Aggregate(text, (current, step) => step.Apply(current));
}

/// <summary>A normalizer that is one edit of the text.</summary>
internal sealed class EditNormalizer(Func<AlignedText, AlignedText> edit) : INormalizer
{
    public AlignedText Apply(AlignedText text) => edit(text);
}

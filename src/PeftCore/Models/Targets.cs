using PeftCore.Backends;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>What a decoder should predict at each position.</summary>
/// <param name="Tokens">I32 (batch, length): the next token, or <see cref="CrossEntropyOp.Ignore"/>.</param>
/// <param name="Denominator">What the sum of losses is divided by.</param>
public sealed record Targets(Tensor Tokens, float Denominator)
{
    /// <summary>Targets from labels that stand at their own tokens, as Hugging Face has them: position t should predict label t + 1.</summary>
    /// <param name="backend">Where to put them.</param>
    /// <param name="labels">batch·length labels, row by row; −100 where nothing is to be learned.</param>
    /// <param name="batch">Rows.</param>
    /// <param name="denominator">What the sum of losses is divided by; null for the number of targets, which gives the mean.</param>
    public static Targets FromLabels(IBackend backend, ReadOnlySpan<int> labels, int batch, float? denominator = null)
    {
        int length = labels.Length / batch;
        var next = new int[labels.Length];
        int count = 0;
        for (int i = 0; i < labels.Length; i++)
        {
            next[i] = (i + 1) % length == 0 ? CrossEntropyOp.Ignore : labels[i + 1];
            count += next[i] == CrossEntropyOp.Ignore ? 0 : 1;
        }
        if (count == 0)
        {
            throw new BadInputException("a batch has no token to learn: every label is masked");
        }
        return new Targets(backend.From(next, [batch, length]), denominator ?? count);
    }

    /// <summary>How many of these labels are targets.</summary>
    public static int Count(ReadOnlySpan<int> labels, int batch)
    {
        int length = labels.Length / batch;
        int count = 0;
        for (int i = 0; i < labels.Length; i++)
        {
            count += i % length != 0 && labels[i] != CrossEntropyOp.Ignore ? 1 : 0;
        }
        return count;
    }
}

namespace PeftCore.Kernels;

/// <summary>Extents and settings of connectionist temporal classification.</summary>
/// <param name="Batch">Rows B.</param>
/// <param name="Frames">Frames of a row, padding included, T.</param>
/// <param name="Classes">Symbols, the blank included, C.</param>
/// <param name="Labels">Labels of the longest row, L.</param>
/// <param name="Blank">The symbol between labels.</param>
/// <param name="IsMean">Whether a row's loss is divided by its number of labels, which counts as at least 1.</param>
/// <param name="ZeroInfinity">Whether the loss of a row that no alignment fits is 0 rather than ∞.</param>
internal readonly record struct CtcShape(int Batch, int Frames, int Classes, int Labels, int Blank, bool IsMean, bool ZeroInfinity)
{
    /// <summary>States of an alignment: the labels, and a blank before and after each.</summary>
    public int States => 2 * Labels + 1;

    /// <summary>Numbers of scratch for a row: α of all frames, the normalizer of each frame's logits, and β of two frames.</summary>
    public int Scratch => checked(Frames * States + Frames + 2 * States);
}

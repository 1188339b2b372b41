using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft;

/// <summary>Multiplicative dropout of OFT and BOFT: in training, some blocks of a rotation are replaced by the identity. The choice is a
/// function of seed, layer and step.</summary>
/// <param name="Layer">The layer.</param>
/// <param name="Fraction">Fraction of the blocks that are replaced.</param>
/// <param name="Site">The layer's number.</param>
internal readonly record struct BlockDropout(Layer Layer, double Fraction, ulong Site)
{
    /// <summary>R (n, b, b) with the chosen blocks replaced.</summary>
    public Tensor Apply(Tensor blocks)
    {
        int n = blocks.Shape[0], side = blocks.Shape.Columns, gone = (int)(Fraction * n);
        if (!Layer.Mode.Training || gone == 0 || n == 1)
        {
            return blocks;
        }
        ulong stream = new LayerDropout(Layer, 1, Site).Stream, seed = Layer.Mode.Seed;
        var chosen = Enumerable.Range(0, n).OrderBy(i => Kernels.Philox.Next(seed, stream, (ulong)i).X).ThenBy(i => i).Take(gone)
            .ToHashSet();
        float[] keep = new float[n * side];
        float[] identity = new float[n * side * side];
        for (int i = 0; i < n * side; i++)
        {
            bool kept = !chosen.Contains(i / side);
            keep[i] = kept ? 1 : 0;
            identity[i * side + i % side] = kept ? 0 : 1;
        }
        return blocks.MultiplyColumn(blocks.Backend.From(keep, [n * side])) + blocks.Backend.From(identity, blocks.Shape);
    }
}

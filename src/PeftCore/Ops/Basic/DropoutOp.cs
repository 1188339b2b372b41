using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>The key of a dropout mask, which is computed from it and never stored. The same key gives the same mask, in backward and in
/// recomputation.</summary>
/// <param name="Probability">Probability of an element to become zero; 0 for no dropout.</param>
/// <param name="Seed">Seed of the run.</param>
/// <param name="Stream">Number of the layer and the step; two masks must not share it.</param>
internal readonly record struct DropoutKey(float Probability, ulong Seed, ulong Stream)
{
    internal bool Active => Probability != 0;

    internal Tensor Apply(Tensor x)
    {
        var y = x.NewLike(x.Shape);
        Apply(x, y, accumulate: false);
        return y;
    }

    internal void Apply(Tensor x, Tensor y, bool accumulate)
    {
        if (!(Probability is >= 0 and < 1))
        {
            throw new ShapeException("dropout", $"the probability must lie in [0, 1), got {Probability}");
        }
        x.Backend.Dropout(x, y, Probability, Seed, Stream, accumulate);
    }
}

/// <summary>Inverted dropout (Srivastava et al. 2014) with a counter-based generator: y = x·mask/(1 − p).</summary>
internal static class DropoutOp
{
    extension(Tensor x)
    {
        /// <summary>Drops elements by the key's mask; the same tensor if the probability is 0.</summary>
        public Tensor Dropout(DropoutKey key)
        {
            if (!key.Active)
            {
                return x;
            }
            Check.Activation("dropout", "x", x);
            var y = key.Apply(x);
            Tape.Record(() => new Node(key), [x], [y]);
            return y;
        }
    }

    /// <summary>y = x∘mask/(1 − p);  dx = dy∘mask/(1 − p), with the mask computed again.</summary>
    private sealed class Node(DropoutKey key) : GradientNode("dropout")
    {
        protected internal override void Backward(BackwardContext context)
        {
            var dx = context.GradInput(0, out bool accumulate)!;
            key.Apply(context.GradOutput(), dx, accumulate);
        }
    }
}

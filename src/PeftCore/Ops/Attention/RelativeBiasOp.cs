using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>T5's relative position bias (Raffel et al. 2020): bias[0, h, i, j] = table[buckets[i, j], h];
/// dtable[r, h] = Σ dbias[0, h, i, j] over the pairs of bucket r. Saves the buckets.</summary>
internal static class RelativeBiasOp
{
    extension(Tensor table)
    {
        /// <summary>The bias of attention scores, for <see cref="AttentionOptions.Bias"/>.</summary>
        /// <param name="buckets">I32 (queries, keys): the row of the table for each pair.</param>
        /// <returns>F32 (1, heads, queries, keys)</returns>
        public Tensor RelativeBias(Tensor buckets)
        {
            Check.Int32("relative bias", "buckets", buckets);
            Check.OneDevice("relative bias", table, buckets);
            if (table.Shape.Rank != 2 || !table.DType.IsFloat || buckets.Shape.Rank != 2)
            {
                throw new ShapeException("relative bias",
                    $"needs a (buckets, heads) table of floating-point numbers and (queries, keys) buckets, got {table} and {buckets}");
            }
            using var scope = new TensorScope();
            var f32 = table.Cast(DType.F32);
            var y = scope.Return(table.NewLike([1, table.Shape[1], buckets.Shape[0], buckets.Shape[1]], DType.F32));
            table.Backend.RelativeBias(f32, buckets, y);
            Tape.Record(() => new Node(buckets), [f32], [y]);
            return y;
        }
    }

    /// <summary>bias[0, h, i, j] = table[buckets[i, j], h];  dtable[buckets[i, j], h] += dbias[0, h, i, j].</summary>
    private sealed class Node : GradientNode
    {
        private readonly Tensor _buckets;

        public Node(Tensor buckets) : base("relative bias") =>
            _buckets = Save("buckets", buckets, "dtable[buckets[i, j], h] += dbias[0, h, i, j]");

        protected internal override void Backward(BackwardContext context)
        {
            var dTable = context.GradInput(0, out bool accumulate)!;
            dTable.Backend.RelativeBiasGradient(context.GradOutput(), _buckets, dTable, accumulate);
        }
    }
}

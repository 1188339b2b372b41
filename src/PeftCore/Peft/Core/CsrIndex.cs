using PeftCore.Backends;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft;

/// <summary>Index tensors of a sparse matrix in compressed sparse row form, for x·Sᵀ and for its transpose in backward. Allocated once, and
/// refilled when the entries change.</summary>
internal static class CsrIndex
{
    /// <summary>Allocates an index over an axis, contents undefined.</summary>
    public static SparseIndex NewIndex(AttachContext context, int extent, int entries) =>
        new(context.NewConstant([extent + 1], DType.I32), context.NewConstant([entries], DType.I32),
            context.NewConstant([entries], DType.I32));

    extension(SparsePattern pattern)
    {
        /// <summary>Fills both indices from the rows and columns of the entries.</summary>
        public void Sort(int[] rows, int[] columns)
        {
            Upload(SparseIndex.Sort(rows, columns, pattern.Outputs), pattern.Forward);
            Upload(SparseIndex.Sort(columns, rows, pattern.Inputs), pattern.Backward);
        }
    }

    extension(Tensor tensor)
    {
        /// <summary>Fills an I32 tensor.</summary>
        public void Upload(int[] values) => tensor.Upload<int>(values);
    }

    private static void Upload((int[] Offsets, int[] Indices, int[] Order) sorted, SparseIndex index)
    {
        index.Offsets.Upload(sorted.Offsets);
        index.Indices.Upload(sorted.Indices);
        index.Order.Upload(sorted.Order);
    }
}

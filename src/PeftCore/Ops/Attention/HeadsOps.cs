using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>Heads as a tensor of their own.</summary>
internal static class HeadsOps
{
    extension(Heads heads)
    {
        /// <summary>The heads side by side, (batch, length, heads·head dim): their tensor if it has no other columns, otherwise a
        /// copy.</summary>
        public Tensor Gather()
        {
            if (heads.CoverTensor)
            {
                return heads.Tensor;
            }
            if (heads.Layout.HeadStride == heads.Dim)
            {
                return heads.Tensor.Columns(heads.Offset, heads.Count * heads.Dim);
            }
            // Each head is a part of a group of Stride columns.
            var tensor = heads.Tensor;
            int stride = heads.Stride;
            return tensor.Reshape([(int)(tensor.Count / stride), stride]).Columns(heads.Offset, heads.Dim)
                .Reshape(tensor.Shape.WithColumns(heads.Count * heads.Dim));
        }
    }
}

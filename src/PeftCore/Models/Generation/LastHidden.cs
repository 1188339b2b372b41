using PeftCore.Backends;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models.Generation;

/// <summary>The hidden states that the next token is predicted from.</summary>
internal static class LastHidden
{
    extension(Tensor hidden)
    {
        /// <summary>The last row of each sequence: (batch, length, hidden) to (batch, hidden).</summary>
        public Tensor LastRows()
        {
            int batch = hidden.Shape[0], length = hidden.Shape[1], columns = hidden.Shape.Columns;
            if (length == 1 || batch == 1)
            {
                return hidden.View([batch, columns], (long)(length - 1) * columns);
            }
            int[] rows = [.. Enumerable.Range(1, batch).Select(b => b * length - 1)];
            return hidden.Reshape([batch * length, columns]).Rows(hidden.Backend.From(rows, [batch]));
        }
    }
}

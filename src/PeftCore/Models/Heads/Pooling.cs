using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>One vector for each row of hidden states: (B, T, C) to (B, C).</summary>
internal static class Pooling
{
    extension(Tensor hidden)
    {
        /// <summary>The hidden state of the first token of each row, such as [CLS].</summary>
        public Tensor FirstTokens()
        {
            int batch = hidden.Shape[0], length = hidden.Shape[1], columns = hidden.Shape[2];
            return hidden.Reshape([batch, length * columns]).Columns(0, columns);
        }

        /// <summary>The hidden state of the last token of each row that is not padding.</summary>
        public Tensor LastTokens(ModelInputs inputs) =>
            hidden.Reshape([hidden.Shape.Rows, hidden.Shape.Columns]).Rows(inputs.LastTokenRows());

        /// <summary>The mean of the hidden states of each row's tokens, without padding and virtual tokens.</summary>
        public Tensor MeanOfTokens(ModelInputs inputs)
        {
            using var scope = new TensorScope();
            var weights = inputs.MeanWeights(); // (B, 1, T)
            var mean = weights.MatMulEach(hidden.Cast(DType.F32)).Cast(hidden.DType); // (B, 1, C)
            return scope.Return(mean.Reshape([hidden.Shape[0], hidden.Shape[2]]));
        }
    }
}

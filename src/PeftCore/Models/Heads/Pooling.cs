using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>The state or states of a row that its embedding is made of.</summary>
internal enum PoolingMode
{
    /// <summary>The mean over the tokens.</summary>
    Mean,

    /// <summary>The first token, such as [CLS].</summary>
    First,

    /// <summary>The last token.</summary>
    Last,

    /// <summary>The last token; with virtual tokens the last place, even if it is padding: see
    /// <see cref="TaskOptions.AsEagerTransformers"/>.</summary>
    LastPlaceIfPrompted,

    /// <summary>The last end-of-text token.</summary>
    End,
}

/// <summary>One vector for each row of hidden states: (B, T, C) to (B, C).</summary>
internal static class Pooling
{
    extension(Tensor hidden)
    {
        /// <summary>The vectors, (B, C).</summary>
        public Tensor Pool(PoolingMode mode, ModelInputs inputs) => mode switch
        {
            PoolingMode.Mean => hidden.MeanOfTokens(inputs),
            PoolingMode.Last => hidden.LastTokens(inputs),
            PoolingMode.LastPlaceIfPrompted =>
                hidden.Shape[1] > inputs.Places ? hidden.PlaceOfEach(hidden.Shape[1] - 1) : hidden.LastTokens(inputs),
            PoolingMode.End => hidden.EndTokens(inputs),
            _ => hidden.FirstTokens(),
        };

        /// <summary>The hidden state of the first token of each row, such as [CLS].</summary>
        public Tensor FirstTokens() => hidden.PlaceOfEach(0);

        /// <summary>The hidden state at one place of each row.</summary>
        private Tensor PlaceOfEach(int place)
        {
            int batch = hidden.Shape[0], length = hidden.Shape[1], columns = hidden.Shape[2];
            return hidden.Reshape([batch, length * columns]).Columns(place * columns, columns);
        }

        /// <summary>The hidden state of the last token of each row that is not padding.</summary>
        public Tensor LastTokens(ModelInputs inputs) =>
            hidden.Reshape([hidden.Shape.Rows, hidden.Shape.Columns]).Rows(inputs.LastTokenRows(hidden.Shape[1]));

        /// <summary>The hidden state of the last end-of-text token of each row.</summary>
        public Tensor EndTokens(ModelInputs inputs) =>
            hidden.Reshape([hidden.Shape.Rows, hidden.Shape.Columns]).Rows(inputs.EndRows);

        /// <summary>The mean of the hidden states of each row's tokens, without padding and virtual tokens.</summary>
        public Tensor MeanOfTokens(ModelInputs inputs)
        {
            using var scope = new TensorScope();
            var weights = inputs.MeanWeights(hidden.Shape[1]); // (B, 1, T)
            var mean = weights.MatMulEach(hidden.Cast(DType.F32)).Cast(hidden.DType); // (B, 1, C)
            return scope.Return(mean.Reshape([hidden.Shape[0], hidden.Shape[2]]));
        }
    }

    extension(ModelInputs inputs)
    {
        /// <summary>Uploads what pooling reads beside hidden states.</summary>
        public void UploadPooling(PoolingMode mode)
        {
            if (mode == PoolingMode.Mean)
            {
                inputs.MeanWeights();
            }
            else if (mode is PoolingMode.Last or PoolingMode.LastPlaceIfPrompted)
            {
                inputs.LastTokenRows();
            }
        }
    }
}

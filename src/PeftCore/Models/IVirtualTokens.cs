using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>A learned prefix of every sequence: virtual tokens (prompt tuning, P-tuning), or keys and values for every layer (prefix
/// tuning).</summary>
internal interface IVirtualTokens
{
    /// <summary>Positions of the context that they occupy, for the longest row.</summary>
    int Count { get; }

    /// <summary>Virtual tokens that the model reads as embeddings, P: the hidden states before that of the first token.</summary>
    int ReadCount { get; }

    /// <summary>Prepends virtual tokens to embedded ones.</summary>
    /// <param name="embedded">(batch, tokens, hidden).</param>
    /// <param name="inputs">The inputs.</param>
    /// <returns>(batch, virtual + tokens, hidden), and the inputs with their positions and mask.</returns>
    (Tensor Embedded, ModelInputs Inputs) Prepend(Tensor embedded, ModelInputs inputs);

    /// <summary>As <see cref="Prepend(Tensor, ModelInputs)"/> without keys and values: what an encoder-decoder's encoder reads.</summary>
    (Tensor Embedded, ModelInputs Inputs) PrependTokens(Tensor embedded, ModelInputs inputs);

    /// <summary>The inputs with the learned keys and values before each row: what an encoder-decoder's decoder reads.</summary>
    ModelInputs PrependPrefix(ModelInputs inputs);

    /// <summary>Checks that every prompt has a task.</summary>
    /// <exception cref="BadInputException">There is no such task.</exception>
    void CheckTask(int task);

    /// <summary>The targets of rows with virtual tokens: the last virtual token predicts the first token.</summary>
    Targets Prepend(Targets targets, int batch);
}

/// <summary>Learned keys and values before those of the tokens.</summary>
internal interface IPrefix
{
    /// <summary>Number of keys, for the longest row.</summary>
    int Length { get; }

    /// <summary>Prepends a layer's keys and values to those of the tokens, (batch, tokens, heads·head dim) each.</summary>
    (Tensor Keys, Tensor Values) Prepend(int layer, Tensor keys, Tensor values);
}

using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>What stands before every sequence a model reads without being in its input: virtual tokens (prompt tuning, P-tuning) or keys
/// and values for every layer (prefix tuning).</summary>
internal interface IVirtualTokens
{
    /// <summary>Places they take in the context, for the longest row.</summary>
    int Count { get; }

    /// <summary>Hidden states a model returns before that of the first token: as many as there are virtual tokens that it reads.</summary>
    int ReadCount { get; }

    /// <summary>Puts virtual tokens before embedded ones.</summary>
    /// <param name="embedded">(batch, tokens, hidden).</param>
    /// <param name="inputs">What the tokens are.</param>
    /// <returns>(batch, virtual + tokens, hidden), and where all of them stand.</returns>
    (Tensor Embedded, ModelInputs Inputs) Prepend(Tensor embedded, ModelInputs inputs);

    /// <summary>Refuses a task that one of them does not have.</summary>
    /// <exception cref="BadInputException">There is no such task.</exception>
    void CheckTask(int task);

    /// <summary>Targets for rows with virtual tokens before them: the last of these predicts the first token.</summary>
    Targets Prepend(Targets targets, int batch);
}

/// <summary>Keys and values that stand before those of the tokens.</summary>
internal interface IPrefix
{
    /// <summary>How many, for the longest row.</summary>
    int Length { get; }

    /// <summary>Puts a layer's keys and values before those of the tokens, (batch, tokens, heads·head dim) each.</summary>
    (Tensor Keys, Tensor Values) Prepend(int layer, Tensor keys, Tensor values);
}

using PeftCore.Data;

namespace PeftCore.Training;

/// <summary>The static tensors that a captured graph reads its batch from. Their memory is allocated for each launch, at the captured
/// addresses.</summary>
internal interface IStaticInputs
{
    /// <summary>Allocates the memory and fills it with a batch of the captured shape.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="denominator">The denominator of the sum of losses.</param>
    /// <returns>False if some of the memory is in use.</returns>
    bool Fill(Batch batch, int denominator);

    /// <summary>Frees the memory.</summary>
    void Free();
}

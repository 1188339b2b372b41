using PeftCore.Nn;
using PeftCore.Tensors;

namespace PeftCore.Peft.Prompts;

/// <summary>Virtual tokens that train themselves (Lester et al. 2021). A loaded P-tuning adapter is one as well: its file holds the result
/// of its network.</summary>
internal sealed class EmbeddingPrompt(Parameter tokens) : TokenPrompt(tokens.Shape[0])
{
    public override IEnumerable<AdapterParameter> Parameters => [Named("embedding.weight", Key, tokens)];

    public override IEnumerable<SavedEntry> Entries => Parameters.Select(SavedEntry.Of);

    public override Tensor Rows(int task) => tokens.Value;
}

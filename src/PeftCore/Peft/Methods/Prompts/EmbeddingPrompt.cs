using PeftCore.Nn;
using PeftCore.Tensors;

namespace PeftCore.Peft.Prompts;

/// <summary>Prompt tuning (Lester et al. 2021): a trained table of virtual tokens (tokens, hidden). A loaded P-tuning adapter uses this
/// class too, because its file holds the output of the network, not the network.</summary>
internal sealed class EmbeddingPrompt(Parameter tokens) : TokenPrompt(tokens.Shape[0])
{
    public override IEnumerable<AdapterParameter> Parameters => [Named("embedding.weight", Key, tokens)];

    public override IEnumerable<SavedEntry> Entries => Parameters.Select(SavedEntry.Of);

    public override Tensor Rows(int task) => tokens.Value;
}

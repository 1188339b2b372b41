using PeftCore.Nn;
using PeftCore.Tensors;

namespace PeftCore.Peft.Prompts;

/// <summary>Prompt tuning (Lester et al. 2021): a trained table of virtual tokens (tokens, hidden). A loaded P-tuning adapter uses this
/// class too, because its file holds the output of the network, not the network.</summary>
/// <param name="tokens">The table.</param>
/// <param name="count">The rows that are read: the first ones.</param>
internal sealed class EmbeddingPrompt(Parameter tokens, int count) : TokenPrompt(count)
{
    public override IEnumerable<AdapterParameter> Parameters => [Named("embedding.weight", Key, tokens)];

    public override IEnumerable<SavedEntry> Entries => Parameters.Select(SavedEntry.Of);

    public override Tensor Rows(int task) => Read(tokens.Value);
}

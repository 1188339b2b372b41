namespace PeftCore.Extensions.AI.Tests.Snippets;

/// <summary>The snippets of docs/extensions-ai.md run. PeftCore.Tests compares their lines with the page.</summary>
public sealed class SnippetTests
{
    [Test]
    public async Task The_chat_snippet_writes_a_story() => await Chatting.RunAsync(TestModels.Llama);

    [Test]
    public async Task The_embedding_snippet_gives_a_vector_for_each_text() =>
        Assert.That((await Embedding.RunAsync(TestModels.Bert)).Select(embedding => embedding.Dimensions), Is.EqualTo(new[] { 192, 192 }));

    [Test]
    public void The_tokenizer_snippet_counts() => Assert.That(Counting.Run(TestModels.Llama), Is.GreaterThan(0));

    [Test]
    public async Task The_service_trains_and_answers_with_what_it_trained()
    {
        using var folder = new TemporaryDirectory();
        string adapter = TestModels.SaveAdapter(folder["poems"], 1, TestModels.Llama);

        var response = await Service.RunAsync(TestModels.Llama, adapter, folder["trained"]);

        Assert.That(response.ModelId, Is.EqualTo("answers"));
        Assert.That(folder["trained", "answers", "run-1", "adapter_config.json"], Does.Exist);
    }
}

using PeftCore.Snippets;

namespace PeftCore.Ilgpu.Tests.Snippets;

public sealed class SnippetTests
{
    [Test]
    public void The_program_of_the_page_opens_a_device_and_computes_logits()
    {
        string? root = AppContext.BaseDirectory;
        while (root is not null && !File.Exists(Path.Combine(root, "PeftCore.sln")))
        {
            root = Path.GetDirectoryName(root);
        }
        Assume.That(root, Is.Not.Null, "tests that are published as a program have no fixtures beside them");

        string shape = OnADevice.Run(Path.Combine(root!, "tests", "fixtures", "hf", "llama", "base"), "ilgpu-cpu");

        Assert.That(shape, Does.StartWith("(1, 4,").Or.StartWith("[1, 4,"));
    }
}

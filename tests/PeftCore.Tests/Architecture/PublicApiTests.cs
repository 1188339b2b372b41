namespace PeftCore.Tests.Architecture;

/// <summary>No type becomes public by accident: the surface is compared with a list in the repository.</summary>
public sealed class PublicApiTests
{
    private const string Update = "PEFTCORE_UPDATE_API";

    private static readonly string ListFile = Path.Combine(TestFiles.Root, "tests", "PeftCore.Tests", "PublicApi.txt");

    [Test]
    public void The_public_surface_is_the_checked_in_list()
    {
        string[] actual = [.. PublicApi.Lines(typeof(PeftCore.Peft.PeftModel).Assembly),
            .. PublicApi.Lines(typeof(PeftCore.Kernels.ElementType).Assembly),
            .. PublicApi.Lines(typeof(PeftCore.Tokenizers.Tokenizer).Assembly)];
        if (Environment.GetEnvironmentVariable(Update) == "1")
        {
            File.WriteAllText(ListFile, string.Concat(actual.Select(line => line + "\n")));
        }

        string[] listed = File.Exists(ListFile) ? File.ReadAllLines(ListFile) : [];

        string[] difference = [.. actual.Except(listed).Select(line => "+ " + line), .. listed.Except(actual).Select(line => "- " + line)];

        Assert.That(difference, Is.Empty, $"""
            The public API differs from tests/PeftCore.Tests/PublicApi.txt (+ is new, - is gone).
            If that is meant, run the tests once with {Update}=1 and commit the file:
            {Update}=1 dotnet test tests/PeftCore.Tests -c Release --filter FullyQualifiedName~PublicApiTests
            """);
    }
}

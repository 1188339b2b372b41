using System.Text.RegularExpressions;

namespace PeftCore.Tests.Architecture;

/// <summary>The size of the public surface, counted in the lists that the analyzer compares with the code.</summary>
public sealed partial class PublicSurfaceTests
{
    private const int MostMembers = 1_055;

    private static IEnumerable<string> Lists =>
        from top in new[] { "src", "kernels" }
        from file in Directory.EnumerateFiles(Path.Combine(TestFiles.Root, top), "PublicAPI.*.txt", SearchOption.AllDirectories)
        select file;

    [Test]
    public void Every_library_lists_its_public_members()
    {
        var libraries = Lists.Select(file => Path.GetFileName(Path.GetDirectoryName(file))).Distinct();

        Assert.That(libraries, Is.EquivalentTo(new[]
        {
            "PeftCore", "PeftCore.Tokenizers", "PeftCore.Ilgpu", "PeftCore.Kernels", "PeftCore.Kernels.Ilgpu"
        }));
    }

    [Test]
    public void The_public_surface_stays_small()
    {
        int members = Lists.Sum(file => PublicSurface.Members(File.ReadAllLines(file)).Count());
        int lines = Lists.Sum(file => File.ReadLines(file).Count(line => line != PublicSurface.Header));
        TestContext.Out.WriteLine($"{members} public members, {lines} lines in the lists");

        Assert.That(members, Is.InRange(1, MostMembers - 1));
    }

    [Test]
    public void No_kernel_is_public()
    {
        var found =
            from file in Lists
            from line in File.ReadLines(file)
            where Kernel().IsMatch(line)
            select line;

        Assert.That(found, Is.Empty);
    }

    [TestCase("P.A", 1)]
    [TestCase("P.A.Size.get -> int\nP.A.Size.set -> void", 1)]
    [TestCase("P.R\nP.R.R(int X) -> void\nP.R.X.get -> int\nP.R.X.init -> void\nP.R.Equals(P.R? other) -> bool\n"
        + "override P.R.GetHashCode() -> int\nP.R.Deconstruct(out int X) -> void\nstatic P.R.operator ==(P.R? left, P.R? right) -> bool", 3)]
    [TestCase("P.B\nP.B.B() -> void\nP.B.B(P.B! original) -> void\nP.B.<Clone>$() -> P.B!", 2)]
    [TestCase("P.S\nP.S.Equals(P.S other) -> bool\nstatic P.S.operator ==(P.S left, P.S right) -> bool", 3)]
    [TestCase("P.E\nP.E.extension(P.T!)\nP.E.extension(P.T!).Exp() -> P.T!\nstatic P.E.Exp(this P.T! x) -> P.T!", 2)]
    public void A_member_counts_once_and_what_the_compiler_adds_does_not(string list, int members) =>
        Assert.That(PublicSurface.Members(list.Split('\n')).Count(), Is.EqualTo(members));

    [GeneratedRegex(@"\bPeftCore\.Kernels\.")]
    private static partial Regex Kernel();
}

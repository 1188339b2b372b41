namespace PeftCore.Cli.Tests;

public sealed class FailureTests
{
    private static readonly TestCaseData[] Known =
    [
        new(new InsufficientMemoryException("4 MiB more"), 1, "not enough memory: 4 MiB more"),
        new(new OutOfMemoryException(), 1, "not enough memory: the system refused"),
        new(new OverflowException(), 1, "not enough memory: a size is larger"),
        new(new OperationCanceledException(), 1, "stopped"),
        new(new RunFailedException("no"), 1, "no"),
        new(new BadInputException("x is wrong."), 2, "x is wrong."),
        new(new UnauthorizedAccessException("Access to the path '/a' is denied."), 2, "Access to the path '/a' is denied; check that"),
        new(new DirectoryNotFoundException("Could not find a part of the path '/a'."), 2, "Could not find a part of the path '/a'; check"),
    ];

    [TestCaseSource(nameof(Known))]
    public void What_input_and_machine_can_cause_has_a_sentence(Exception e, int code, string sentence)
    {
        var failure = Failure.Of(e, verbose: false);

        Assert.That(failure.ExitCode, Is.EqualTo(code));
        Assert.That(failure.Sentence, Does.StartWith(sentence).And.Not.Contain("should not happen"));
    }

    [Test]
    public void Only_a_bug_says_that_it_should_not_happen()
    {
        Assert.That(Failure.Of(new InvalidOperationException("oh"), verbose: false), Is.EqualTo(new Failure(1,
            "InvalidOperationException: oh; this should not happen: run again with --verbose to see where")));
        Assert.That(Failure.Of(new InvalidOperationException("oh"), verbose: true).Sentence, Is.EqualTo("InvalidOperationException: oh"));
    }
}

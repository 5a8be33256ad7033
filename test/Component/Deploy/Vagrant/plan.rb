# Prints what the Vagrantfile would run, a line for each step: MACHINE STEP SCRIPT NAME=VALUE…, its values quoted for a shell.
#   ruby plan.rb VAGRANTFILE
require "shellwords"

# Takes every setting, and writes the steps down.
class Recorder < BasicObject
  def initialize(machine = nil)
    @machine = machine
  end

  def define(name, **)
    yield ::Recorder.new(name)
  end

  def provision(step, type:, path:, env:)
    ::Kernel.raise "not a shell step: #{step}" unless type == "shell"
    ::Kernel.puts [@machine, step, path, *env.map { |key, value| "#{key}=#{value}" }].map { |word| ::Shellwords.escape(word) }.join(" ")
  end

  def method_missing(*)
    yield self if ::Kernel.block_given?
    self
  end

  def respond_to_missing?(*)
    true
  end
end

# What Vagrant itself gives the file.
module Vagrant
  def self.configure(_version)
    yield Recorder.new
  end
end

load ARGV.fetch(0)
